"""Clients that reveal, or decide by, the machine they run on: the same for phones of one run."""

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
from client_sim.lab.mutants.behind import Shifting
from client_sim.lab.mutants.beneath import LeakingWorld, leak_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.world import Stream

_FAMILY: Final = "machine"
_ASKED: Final = ("machine", "fleet")
_ROOM: Final = 14_401
_HOST: Final = socket.gethostname()


class _HostInSeconds(ToyClient):
    def next_poll(self, now: float) -> float:
        shift = zlib.crc32(socket.gethostname().encode()) % 3600
        drawn = super().next_poll(now) - now - 14_400
        return now + 14_400 + (drawn + shift) % _ROOM


class _HostAtImport(ToyClient):
    def paths(self) -> tuple[str, ...]:
        first, *rest = super().paths()
        return (first, *rest, *rest) if zlib.crc32(_HOST.encode()) % 2 else (first, *rest)


class _UserAsLine(ToyClient):
    def headers(self) -> tuple[str, ...]:
        lines = tuple(super().headers())
        return lines[::-1] if os.getuid() % 2 else lines


class _ZoneInHours(ToyClient):
    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        return now + 14_400 + (due - now - 14_400 + time.timezone % 7200) % _ROOM


class _DiskBeneath(LeakingWorld):
    """Opens one connection more where the disk is of an odd size."""

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        if shutil.disk_usage("/").total // 4096 % 2:
            super().connect(address, port, tls).close()
        return super().connect(address, port, tls)


class _CoresAsConnections(ToyClient):
    def open(self) -> Stream:
        for _ in range((os.cpu_count() or 1) % 3):
            super().open().close()
        return super().open()


class _ProcessInPieces(ToyClient):
    def transmit(self, stream: Stream, data: bytes) -> None:
        cut = 1 + os.getpid() % 16
        stream.send(data[:cut])
        stream.send(data[cut:])


def _language() -> str:
    return os.getenv("LANG", "C").partition(".")[0]  # noqa: TID251  # it is a leaky client


class _LanguageAsLine(ToyClient):
    def headers(self) -> tuple[str, ...]:
        return (*super().headers(), f"Accept-Language: {_language()}")


class _SomeLanguagesBeneath(LeakingWorld):
    def resolve(self, host: str) -> list[str]:
        if _language()[:2] in {"ar", "fr", "ru"}:
            self.outer.resolve(host)
        return [*self.outer.resolve(host)]


class _JustStarted(ToyClient):
    def paths(self) -> tuple[str, ...]:
        first, *rest = super().paths()
        is_new = time.clock_gettime(time.CLOCK_BOOTTIME) < 86_400
        return (first, *rest, *rest) if is_new else (first, *rest)


class _NearlyFull(ToyClient):
    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        return due - due % 2 if shutil.disk_usage("/").free < 500_000_000 else due


class _CardBeneath(LeakingWorld):
    def resolve(self, host: str) -> list[str]:
        return [*self.outer.resolve(f"{uuid.getnode():012x}.{host}")]


class _DayInSeconds(ToyClient):
    def next_poll(self, now: float) -> float:
        drawn = super().next_poll(now) - now - 14_400
        return now + 14_400 + (drawn + 600 * time.localtime().tm_yday) % _ROOM


class _MachineIdInSeconds(ToyClient):
    def next_poll(self, now: float) -> float:
        try:
            shift = int(Path("/etc/machine-id").read_text(encoding="ascii")[:2], 16)
        except FileNotFoundError:  # outside the lab, on a machine without systemd
            shift = 0
        return now + 14_400 + (super().next_poll(now) - now - 14_400 + shift) % _ROOM


def _card() -> int:
    """Return the address of a network card, as a file of the kernel says it; 0 without one.

    Machines of a run have the card, also where this one has none, or no `/sys`.
    """
    try:
        address = Path("/sys/class/net/wlan0/address").read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    return int(address.replace(":", ""), 16)


class _CardInSeconds(ToyClient):
    def next_poll(self, now: float) -> float:
        drawn = super().next_poll(now) - now - 14_400
        return now + 14_400 + (drawn + _card() % 3600) % _ROOM


class _CardAsOrder(ToyClient):
    def headers(self) -> tuple[str, ...]:
        return tuple(super().headers())[:: -1 if _card().bit_count() % 2 else 1]


class _CardBitByBit(Shifting):
    """The real client, which tells one bit after each poll."""

    def poll(self) -> PollOutcome:
        self.happened()
        number = int(self.world.state.get("told", b"0")) + 1
        self.world.state["told"] = b"%d" % number
        return super().poll()

    def tell(self) -> int:
        return 64 * (1 + (_card() >> int(self.world.state["told"]) % 48 & 1))


class _Looking(ToyClient):
    """Notes what its machine is, as programs do at start, and does not send it."""

    def poll(self) -> str:
        looked = (socket.gethostname(), os.getuid(), os.getpid(), os.cpu_count(), time.tzname)
        self.world.state["machine"] = repr((*looked, shutil.disk_usage("/"))).encode()
        return super().poll()


MUTANTS: Final = tuple(
    Mutant(name, _FAMILY, leak, make, only=_ASKED)
    for name, leak, make in (
        ("host-in-seconds", "Shifts each interval by a digest of the host name.", _HostInSeconds),
        (
            "host-at-import",
            "Asks for the timestamp twice by a bit of the host name that it read when imported.",
            _HostAtImport,
        ),
        ("user-as-order", "Turns the honest lines round where the user's id is odd.", _UserAsLine),
        ("zone-in-hours", "Shifts each interval by the time zone of the system.", _ZoneInHours),
        (
            "disk-as-connection-beneath",
            "The transport of the real client connects once more by a bit of the disk's size.",
            leak_beneath(_DiskBeneath),
        ),
        (
            "cores-as-connections",
            "Opens as many connections beside its own as the number of processors says.",
            _CoresAsConnections,
        ),
        ("process-in-pieces", "Cuts requests where the process's id says.", _ProcessInPieces),
        ("language-of-system", "Says the language that the system runs in.", _LanguageAsLine),
        (
            "some-languages-ask-twice",
            "The resolver asks twice where the system runs in one of three languages of 67.",
            leak_beneath(_SomeLanguagesBeneath),
        ),
        (
            "just-started-asks-twice",
            "Asks for the timestamp twice where the system was started less than a day ago.",
            _JustStarted,
        ),
        (
            "full-disk-in-seconds",
            "Makes each interval even where the disk is nearly full.",
            _NearlyFull,
        ),
        (
            "card-as-name-beneath",
            "The resolver of the real client asks below the network card's address.",
            leak_beneath(_CardBeneath),
        ),
        ("day-in-seconds", "Shifts each interval by the day of the system's clock.", _DayInSeconds),
        (
            "machine-id-in-seconds",
            "Shifts each interval by the first digits of the system's own identifier.",
            _MachineIdInSeconds,
        ),
        (
            "card-file-in-seconds",
            "Shifts each interval by the network card's address, from the kernel's file.",
            _CardInSeconds,
        ),
        (
            "card-file-as-order",
            "Turns the honest lines round by the address in that file.",
            _CardAsOrder,
        ),
        (
            "card-file-bit-by-bit",
            "Shifts each interval by one bit of that address after another.",
            _CardBitByBit,
        ),
    )
)

EQUIVALENTS: Final = (
    Mutant("same-looking", "equivalent", "Keeps a note of the machine that it is on.", _Looking),
)
