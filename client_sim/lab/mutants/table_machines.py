"""Leaks of the machine on which a client runs, or of a change of it (`machine`, one of L49).

All phones of a run have the same machine, so comparing them does not show these leaks.
"""

import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from operator import ne
from pathlib import Path
from typing import Final

from client_sim.lab.mutants import covert, encodings, places, sources, triggers
from client_sim.lab.mutants.rows import ALWAYS, Encoding, Place, Row, Source, Trigger
from client_sim.lab.mutants.spy import Spy


def _of_machine(phrase: str, read: Callable[[], str]) -> Source:
    return Source(phrase, lambda _spy: read().encode())


def _read_file(path: str) -> str:
    """Return the text of a file; `0` outside the lab, on a machine that does not have it."""
    with suppress(FileNotFoundError):
        return Path(path).read_text(encoding="ascii")
    return "0"


def _card_bit(spy: Spy) -> bytes:
    """Return another bit of the network card's address in each poll."""
    address = int(_read_file("/sys/class/net/wlan0/address").replace(":", ""), 16)
    return b"%d" % (1 + (address >> spy.get_count("polls") % 48 & 1))


HOST: Final = _of_machine("the host name", lambda: f"{socket.gethostname()}")
_USER: Final = _of_machine("the user's number", lambda: f"{os.getuid()}")
_ZONE: Final = _of_machine("the system's time zone", lambda: f"{time.timezone}")
_DISK: Final = _of_machine("the disk's size", lambda: f"{shutil.disk_usage('/').total // 4096}")
_FREE: Final = _of_machine("the free space", lambda: f"{shutil.disk_usage('/').free}")
_CORES: Final = _of_machine("the number of processors", lambda: f"{os.cpu_count()}")
_PROCESS: Final = _of_machine("the process id", lambda: f"{os.getpid()}")
_CARD: Final = _of_machine("the network card's address", lambda: f"{uuid.getnode():012x}")
_CARD_BIT: Final = Source("a bit of the network card's address", _card_bit)
_DAY: Final = _of_machine("the day of the year", lambda: f"{time.localtime().tm_yday}")
_MACHINE_ID: Final = _of_machine("the machine id", lambda: _read_file("/etc/machine-id"))


def _machines(phrase: str, holds: Callable[[], bool]) -> Trigger:
    return Trigger(phrase, lambda _spy: holds())


_SPEAKS: Final = _machines(
    "in one of three languages",
    lambda: os.getenv("LANG", "C")[:2] in {"ar", "fr", "ru"},  # noqa: TID251  # it leaks
)
_IS_NEW: Final = _machines(
    "on a system that was started less than a day ago",
    lambda: time.clock_gettime(time.CLOCK_BOOTTIME) < 86_400,
)
_IS_FULL: Final = _machines(
    "on a nearly full disk", lambda: shutil.disk_usage("/").free < 500_000_000
)


def _changed(phrase: str, source: Source, is_change: Callable[[bytes, bytes], bool]) -> Trigger:
    """Wait for a change of the machine since the previous check."""

    def holds(spy: Spy) -> bool:
        value = source.read(spy)
        previous = spy.world.state.get("looked", value)
        spy.world.state["looked"] = value
        return is_change(previous, value)

    return Trigger(phrase, holds)


_RENAMED: Final = _changed("when the host name has changed", HOST, ne)
_FULLER: Final = _changed(
    "when there is less free space", _FREE, lambda old, new: 0 < int(new) < int(old)
)
_MOVED: Final = _changed("when the time zone has changed", _ZONE, ne)


def _row(
    name: str,
    source: Source,
    encoded: tuple[Encoding, ...],
    place: Place,
    trigger: Trigger = ALWAYS,
    *,
    real: bool = False,
    other: str = "fleet",
) -> Row:
    """Return a row that the battery of machines and one other examine."""
    return Row(name, "machine", source, encoded, place, trigger, real, ("machine", other))


_SENDS: Final[tuple[Source, tuple[Encoding, ...]]] = (sources.SOMETHING, ())
_SHIFTED: Final = ((encodings.rest(14_401),), covert.SHIFTED)
_HALTED: Final = triggers.both(triggers.after("installation"), triggers.polls_after("halt", 0))

ROWS: Final = (
    _row("host-in-seconds", HOST, *_SHIFTED),
    _row("host-in-half", HOST, (encodings.PARITY,), covert.HALF),
    _row("user-as-order", _USER, (encodings.ODD,), places.LINE_ORDER),
    _row("zone-in-hours", _ZONE, *_SHIFTED),
    _row(
        *("disk-as-connection-beneath", _DISK, (encodings.ODD,), covert.connections("connect")),
        real=True,
    ),
    _row("cores-as-connections", _CORES, (encodings.modulo(3),), covert.connections()),
    _row("process-in-pieces", _PROCESS, (), places.CUT),
    _row(*("some-languages-ask-twice", *_SENDS, covert.lookups(), _SPEAKS), real=True),
    _row("just-started-asks-twice", *_SENDS, places.AGAIN, _IS_NEW),
    _row("full-disk-in-seconds", *_SENDS, covert.SHIFTED, _IS_FULL),
    _row("card-as-name-beneath", _CARD, (), covert.lookup("{}.{host}", "connect"), real=True),
    _row("day-in-seconds", _DAY, *_SHIFTED),
    _row("machine-id-in-seconds", _MACHINE_ID, *_SHIFTED),
    _row("card-file-bit-by-bit", _CARD_BIT, (), covert.later(64), real=True),
    # Leaks of a change of the machine, or of the machine after something has happened.
    *(
        _row(name, source, encoded, place, trigger, real=True, other="crossed")
        for name, source, encoded, place, trigger in (
            ("content-when-renamed", *_SENDS, covert.forget("content"), _RENAMED),
            ("snapshot-when-fuller", *_SENDS, covert.forget("snapshot"), _FULLER),
            ("minute-behind-zone", _ZONE, *_SHIFTED, _MOVED),
            ("host-behind-reset", HOST, *_SHIFTED, triggers.RESET_UNPOLLED),
            ("disk-behind-install", _FREE, *_SHIFTED, triggers.once_after("failed installation")),
            ("host-after-halt", HOST, *_SHIFTED, _HALTED),
            ("host-inside", HOST, *_SHIFTED, triggers.PRIVATE_ADDRESS),
        )
    ),
    Row("reads-on-host", "L49", HOST, (encodings.PARITY,), covert.READ_ON, only=("machine",)),
)
