"""Leaks after a power-off, a clock that is set back, a factory reset or a failed installation.

What shows is a number of the phone's own, or of the machine, in one interval; nothing of the owner.
"""

import shutil
import socket
import time
import zlib
from typing import Final
from weakref import WeakKeyDictionary

from client_sim.device.agreement import SignedTarget
from client_sim.device.choose import Offer
from client_sim.device.client import SHORTEST, SPREAD, PollingClient
from client_sim.device.errors import DeviceError
from client_sim.device.records import load_secret, store_due
from client_sim.lab.mutants.mutant import Mutant
from client_sim.transport import Connection
from client_sim.world import World

_LONG: Final = 2 * 86_400
_PARTITION: Final[WeakKeyDictionary[World, int]] = WeakKeyDictionary()
"""What a reset does not clear, by phone."""


class Shifting(PollingClient):
    """The real client, which shifts the next interval that it draws once something happened."""

    def next_poll(self, now: float) -> float:
        """Return what the real client draws, shifted once where something happened."""
        state = self.world.state
        self.look(now - float(state.get("asked", b"%f" % now)))
        state["asked"] = b"%f" % now
        held = state.get("due")
        due = super().next_poll(now)
        if state.get("due") == held or state.pop("happened", None) is None:
            return due
        return store_due(state, now + SHORTEST + (due - now - SHORTEST + self.tell()) % SPREAD)

    def look(self, since: float) -> None:
        """Note what happened in the seconds since it was asked last."""

    def happened(self) -> None:
        """Note that it did."""
        self.world.state["happened"] = b"1"

    def tell(self) -> int:
        """Give what is told: a number that stays the same until a reset."""
        return zlib.crc32(load_secret(self.world.state, self.world.entropy))


class _BehindOff(Shifting):
    def look(self, since: float) -> None:
        if since > _LONG:
            self.happened()


class _BehindClock(Shifting):
    def look(self, since: float) -> None:
        if since < 0:
            self.happened()


class _BehindReset(Shifting):
    """Keeps the number of the phone from before where a reset does not come."""

    def look(self, since: float) -> None:
        del since
        if "asked" in self.world.state:
            _PARTITION.setdefault(self.world, super().tell())
        elif self.world in _PARTITION:
            self.happened()

    def tell(self) -> int:
        return _PARTITION[self.world]


class _ZoneBehindOff(_BehindOff):
    def tell(self) -> int:
        return time.timezone % SPREAD


class _HostBehindReset(_BehindReset):
    def tell(self) -> int:
        return zlib.crc32(socket.gethostname().encode())


class _DiskBehindInstall(Shifting):
    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        try:
            return super().fetch_release(offer, connection)
        except DeviceError:
            self.happened()
            raise

    def tell(self) -> int:
        return shutil.disk_usage("/").free


_MEMORY: Final = ("timing", "crossed")
_MACHINE: Final = ("machine", "crossed")

MUTANTS: Final = (
    Mutant(
        "secret-behind-off",
        "L38",
        "Shifts an interval by the phone's secret, after more than two days without power.",
        _BehindOff,
        only=_MEMORY,
    ),
    Mutant(
        "secret-behind-clock",
        "L38",
        "Shifts an interval by the phone's secret, where the clock was set back.",
        _BehindClock,
        only=_MEMORY,
    ),
    Mutant(
        "secret-over-reset",
        "L38",
        "Shifts the first interval after a reset by the secret of before.",
        _BehindReset,
        only=_MEMORY,
    ),
    Mutant(
        "zone-behind-off",
        "machine",
        "Shifts an interval by the zone of the system, after two days without power.",
        _ZoneBehindOff,
        only=_MACHINE,
    ),
    Mutant(
        "host-behind-reset",
        "machine",
        "Shifts the first interval after a reset by a digest of the host name.",
        _HostBehindReset,
        only=_MACHINE,
    ),
    Mutant(
        "disk-behind-install",
        "machine",
        "Shifts an interval by the free room on the disk, after an installation that failed.",
        _DiskBehindInstall,
        only=_MACHINE,
    ),
)
