"""Opens the packs of a phone on disk for a question: offline, and with what is to be used now."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from client_sim.clock import read_clock, read_entropy
from client_sim.content.kinds import KINDS
from client_sim.content.store import Store
from client_sim.device.phone import Phone
from client_sim.device.records import load_clock


class Shelf:
    """The packs of the phone in `folder` at this moment; raises DeviceError."""

    def __init__(
        self, folder: Path, *, resolver: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.phone = Phone(folder, resolver=resolver)
        self.store = Store(self.phone.state)
        known = max(self.phone.public.built_at, load_clock(self.phone.state))
        self.now = max(read_clock(), float(known))
        self.store.settle(self.now, read_entropy)

    def entries(self, kind: str) -> dict[str, Any]:
        """Return the entries of the pack in use; raises ContentError if there is none."""
        return self.store.load_used(KINDS[kind])[1]
