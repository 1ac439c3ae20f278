"""The phone's own client with the steps after an offer: codename role, proof, package, second look.

The update engine and the restart into the new build are left out, because the lab examines only
what leaves the phone. If builds do not boot, the phone has a record of that before its next poll. A
user's client installs by itself, or not at all.
"""

import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import BinaryIO, Final, TypeGuard, cast

from client_sim.device.choose import Offer
from client_sim.device.client import PollingClient
from client_sim.device.conditions import Conditions
from client_sim.device.download import Downloads
from client_sim.device.errors import DeviceError
from client_sim.device.image import Image, ImageFacts
from client_sim.device.records import load_failed, store_failed
from client_sim.device.release import Release
from client_sim.device.update import Update
from client_sim.engine.journal import Disk
from client_sim.engine.slots import Slots
from client_sim.world import BuildFacts, Client, Event, Factory, Public, World

_SHARED: Final = "/dev/shm"  # noqa: S108  # a folder of a random name in it
# In memory, because a thousand polls would each wait for a disk. None is the default folder.
_MEMORY: Final = _SHARED if os.access(_SHARED, os.W_OK) else None
_PREFIX: Final = "download "
"""The prefix of the downloads folder's files in the client's state."""


def with_installation(factory: Factory, *, boots: bool = True) -> Factory:
    """Make the polling client install offered releases; other clients are not changed.

    This includes polling clients with a leaky transport. Unless `boots`, no installed build boots.
    """

    def make(world: World) -> Client:
        client = factory(world)
        return InstallingClient(client, boots=boots) if is_polling(client) else client

    return make


def is_polling(client: Client) -> TypeGuard[PollingClient]:
    """Return whether a client is a polling client, even if its module was imported again."""
    kind = PollingClient.__module__, PollingClient.__qualname__
    return any((each.__module__, each.__qualname__) == kind for each in type(client).__mro__)


class InstallingClient:
    """Polls, and immediately installs every offer; all conditions are always met.

    With `boots` false, every installed build is recorded as one that did not boot.
    """

    def __init__(self, client: PollingClient, *, boots: bool) -> None:
        self.world = client.world
        self._client = client
        self._boots = boots

    def poll(self) -> str:
        """Poll and install; return the outcome as a sentence."""
        with tempfile.TemporaryDirectory(prefix="hening-lab-", dir=_MEMORY) as name:
            folder = Path(name)
            _unpack(self.world.state, folder)
            try:
                done = self._update(folder).run(is_agreed=True)
                if done.installed is not None and not self._boots:
                    state = self.world.state
                    store_failed(state, (*load_failed(state), done.installed.counter))
            except DeviceError as error:
                return str(error)
            else:
                return done.reason
            finally:
                _pack(folder, self.world.state)

    def on_event(self, event: Event) -> None:
        """Pass the event to the polling client, which ignores it unless it leaks."""
        self._client.on_event(event)

    def next_poll(self, now: float) -> float:
        """Return the due time of the polling client."""
        return self._client.next_poll(now)

    def _update(self, folder: Path) -> Update:
        return _WithoutEngine(
            client=self._client,
            world=self.world,
            slots=cast("Slots", _Slots()),
            downloads=Downloads(folder, disk=_Volatile()),
            state=self.world.state,
            image=_image(self.world.public),
            conditions=Conditions(),
            say=lambda _: None,
            progress=None,
            is_whole=True,
        )


class _WithoutEngine(Update):
    """An installation that accepts every completely fetched package."""

    def _install_file(self, package: Path, offer: Offer, release: Release) -> BuildFacts:
        del package, offer
        return release.build


class _Slots:
    """Slots on which all operations do nothing."""

    def switch(self) -> None:
        """Do nothing."""

    def begin_update(self) -> None:
        """Do nothing."""


class _Volatile(Disk):
    """A disk that does not sync; its files exist only during a poll."""

    def sync(self, file: BinaryIO) -> None:
        """Do nothing."""

    def sync_directory(self, path: Path) -> None:
        """Do nothing."""


def _unpack(state: MutableMapping[str, bytes], folder: Path) -> None:
    for name in [name for name in state if name.startswith(_PREFIX)]:
        (folder / name.removeprefix(_PREFIX)).write_bytes(state.pop(name))


def _pack(folder: Path, state: MutableMapping[str, bytes]) -> None:
    for path in folder.iterdir():
        state[_PREFIX + path.name] = path.read_bytes()


def _image(public: Public) -> Image:
    facts = ImageFacts(
        codename=public.codename,
        region=public.region,
        channel=public.channel,
        host=public.host,
        port=public.port,
        tls=public.tls,
        built_at=public.built_at,
    )
    return Image(facts, public.root, public.ota_certificate, None)
