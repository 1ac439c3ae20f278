"""Opens the packs of a phone on disk for its owner, offline, and selects those in use now."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from client_sim.clock import read_clock, read_entropy
from client_sim.content.kinds import KINDS
from client_sim.content.store import Store
from client_sim.content.zones import load_zone
from client_sim.device.errors import StateError
from client_sim.device.phone import Phone
from client_sim.device.records import lock_folder
from client_sim.device.signed_time import clock_floor


class PhonePacks:
    """The packs of the phone in `folder`; raises DeviceError.

    `now` is the phone's clock in epoch seconds, but not earlier than its clock's floor.
    """

    def __init__(
        self, folder: Path, *, resolver: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.phone = Phone(folder, resolver=resolver)
        self._folder = folder
        floor = clock_floor(self.phone.state, self.phone.public.built_at)
        self.now = max(read_clock(), float(floor))

    @contextmanager
    def read(self) -> Iterator[Store]:
        """Yield a copy of the packs, with those for `now` in use.

        The phone's own state does not change, whatever the clock says and whatever is damaged.
        """
        with lock_folder(self._folder, wait=False) as is_locked:
            state = self.phone.state
            # One by one, because another process may remove any of them.
            copied = {name: data for name in state if (data := state.get(name)) is not None}
            store = Store(copied)
            try:
                store.activate(self.now, read_entropy)
                yield store
            except StateError:
                if is_locked:
                    raise
                # Another process may just have removed the missing value.
                raise _busy() from None

    @contextmanager
    def change(self) -> Iterator[Store]:
        """Yield the phone's packs for changes; raises StateError while another process has them."""
        with lock_folder(self._folder, wait=False) as is_locked:
            if not is_locked:
                raise _busy()
            store = Store(self.phone.state)
            store.activate(self.now, read_entropy)
            yield store

    def entries(self, kind: str) -> dict[str, Any]:
        """Return the entries of the pack in use; raises ContentError if there is none."""
        with self.read() as store:
            return store.load_used(KINDS[kind])[1]

    def day(self, zone: str | None) -> dt.date:
        """Return the date at `now` in a zone of the pack in use; None is this machine's zone.

        Raises ContentError if the pack has no such zone.
        """
        moment = dt.datetime.fromtimestamp(self.now, dt.UTC)
        if zone is None:
            return moment.astimezone().date()
        local = load_zone(self.entries("zones"), zone).find(int(self.now))
        return (moment + dt.timedelta(seconds=local.offset)).date()


def _busy() -> StateError:
    return StateError("A poll is changing the packs of this phone; try again when it is over.")
