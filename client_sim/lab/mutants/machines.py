"""Clients that reveal the machine on which they run, or notice that it changed.

All phones of a run have the same machine, so comparing them does not show these leaks.
"""

import os
import shutil
import socket
import time
import uuid
import zlib
from pathlib import Path
from typing import Final

from client_sim.device.client import PollOutcome
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.behaviours import Forgetful
from client_sim.lab.mutants.delays import Shifting
from client_sim.lab.mutants.mutant import LeakingWorld, mutant_of
from client_sim.world import Stream, World

_SPREAD: Final = 14_401
_HOST: Final = socket.gethostname()


class _HostInSeconds(ToyClient):
    """Shifts each interval by a digest of the host name."""

    def next_poll(self, now: float) -> float:
        shift = zlib.crc32(socket.gethostname().encode()) % 3600
        drawn = super().next_poll(now) - now - 14_400
        return now + 14_400 + (drawn + shift) % _SPREAD


class _HostAtImport(ToyClient):
    """Requests the timestamp twice by a bit of the host name that it read at import."""

    def paths(self) -> tuple[str, ...]:
        first, *rest = super().paths()
        return (first, *rest, *rest) if zlib.crc32(_HOST.encode()) % 2 else (first, *rest)


class _UserAsLine(ToyClient):
    """Reverses the header lines if the user id is odd."""

    def headers(self) -> tuple[str, ...]:
        lines = tuple(super().headers())
        return lines[::-1] if os.getuid() % 2 else lines


class _ZoneInHours(ToyClient):
    """Shifts each interval by the time zone of the system."""

    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        return now + 14_400 + (due - now - 14_400 + time.timezone % 7200) % _SPREAD


class _DiskBeneath(LeakingWorld):
    """The transport of the real client connects twice by a bit of the disk's size."""

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        if shutil.disk_usage("/").total // 4096 % 2:
            super().connect(address, port, tls).close()
        return super().connect(address, port, tls)


class _CoresAsConnections(ToyClient):
    """Opens additional connections by the number of processors."""

    def open(self) -> Stream:
        for _ in range((os.cpu_count() or 1) % 3):
            super().open().close()
        return super().open()


class _ProcessInPieces(ToyClient):
    """Splits requests at an offset that depends on the process id."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        cut = 1 + os.getpid() % 16
        stream.send(data[:cut])
        stream.send(data[cut:])


class _SomeLanguagesBeneath(LeakingWorld):
    """The resolver asks twice if the system has one of three languages of 67."""

    def resolve(self, host: str) -> list[str]:
        language = os.getenv("LANG", "C")  # noqa: TID251  # it is a leaky client
        if language[:2] in {"ar", "fr", "ru"}:
            self.outer.resolve(host)
        return [*self.outer.resolve(host)]


class _JustStarted(ToyClient):
    """Requests the timestamp twice if the system was started less than a day ago."""

    def paths(self) -> tuple[str, ...]:
        first, *rest = super().paths()
        is_new = time.clock_gettime(time.CLOCK_BOOTTIME) < 86_400
        return (first, *rest, *rest) if is_new else (first, *rest)


class _NearlyFull(ToyClient):
    """Rounds each due time to an even second when the disk is nearly full."""

    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        return due - due % 2 if shutil.disk_usage("/").free < 500_000_000 else due


class _CardBeneath(LeakingWorld):
    """The resolver of the real client adds the network card's address to the name."""

    def resolve(self, host: str) -> list[str]:
        return [*self.outer.resolve(f"{uuid.getnode():012x}.{host}")]


class _DayInSeconds(ToyClient):
    """Shifts each interval by the day of the system's clock."""

    def next_poll(self, now: float) -> float:
        drawn = super().next_poll(now) - now - 14_400
        return now + 14_400 + (drawn + 600 * time.localtime().tm_yday) % _SPREAD


class _MachineIdInSeconds(ToyClient):
    """Shifts each interval by the first digits of the machine id."""

    def next_poll(self, now: float) -> float:
        try:
            shift = int(Path("/etc/machine-id").read_text(encoding="ascii")[:2], 16)
        except FileNotFoundError:  # outside the lab, on a machine without systemd
            shift = 0
        return now + 14_400 + (super().next_poll(now) - now - 14_400 + shift) % _SPREAD


def _card() -> int:
    """Return the address of a network card from a file of the kernel, or 0 without one.

    The simulated machines have the card even if the real one has none or no `/sys`.
    """
    try:
        address = Path("/sys/class/net/wlan0/address").read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    return int(address.replace(":", ""), 16)


class _CardBitByBit(Shifting):
    """Shifts each interval by another bit of the network card's address in a file."""

    def poll(self) -> PollOutcome:
        self.shift_next()
        number = int(self.world.state.get("told", b"0")) + 1
        self.world.state["told"] = b"%d" % number
        return super().poll()

    def shift_seconds(self) -> int:
        return 64 * (1 + (_card() >> int(self.world.state["told"]) % 48 & 1))


class _Renamed(Forgetful):
    """Requests content again if the host name has changed since the previous poll."""

    role = "content"

    def forgets(self) -> bool:
        return _has_changed(self.world, socket.gethostname())


class _Fuller(Forgetful):
    """Requests the snapshot again if the disk has less free space than before."""

    role = "snapshot"

    def forgets(self) -> bool:
        previous = int(self.world.state.get("room", b"0"))
        free = shutil.disk_usage("/").free
        self.world.state["room"] = b"%d" % free
        return 0 < free < previous


class _Travelled(Shifting):
    """Shifts an interval if the system's time zone has changed since the previous poll."""

    def poll(self) -> PollOutcome:
        if _has_changed(self.world, str(time.timezone)):
            self.shift_next()
        return super().poll()


def _has_changed(world: World, value: str) -> bool:
    previous, world.state["looked"] = world.state.get("looked"), value.encode()
    return previous not in {None, value.encode()}


class _ReadingFacts(ToyClient):
    """Stores facts about its machine, as programs do at start, and does not send them."""

    def poll(self) -> str:
        facts = (socket.gethostname(), os.getuid(), os.getpid(), os.cpu_count(), time.tzname)
        self.world.state["machine"] = repr((*facts, shutil.disk_usage("/"))).encode()
        return super().poll()


MUTANTS: Final = (
    *(
        mutant_of(kind, name, "machine", "machine", "fleet")
        for kind, name in (
            (_HostInSeconds, "host-in-seconds"),
            (_HostAtImport, "host-at-import"),
            (_UserAsLine, "user-as-order"),
            (_ZoneInHours, "zone-in-hours"),
            (_DiskBeneath, "disk-as-connection-beneath"),
            (_CoresAsConnections, "cores-as-connections"),
            (_ProcessInPieces, "process-in-pieces"),
            (_SomeLanguagesBeneath, "some-languages-ask-twice"),
            (_JustStarted, "just-started-asks-twice"),
            (_NearlyFull, "full-disk-in-seconds"),
            (_CardBeneath, "card-as-name-beneath"),
            (_DayInSeconds, "day-in-seconds"),
            (_MachineIdInSeconds, "machine-id-in-seconds"),
            (_CardBitByBit, "card-file-bit-by-bit"),
        )
    ),
    *(
        mutant_of(kind, name, "machine", "machine", "crossed")
        for kind, name in (
            (_Renamed, "content-when-renamed"),
            (_Fuller, "snapshot-when-fuller"),
            (_Travelled, "minute-behind-zone"),
        )
    ),
)

EQUIVALENTS: Final = (mutant_of(_ReadingFacts, "same-looking", "equivalent"),)
