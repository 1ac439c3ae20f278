"""A clock that a simulation turns, for servers of simulated fleets alone (ADR 51).

The time is what a file holds: microseconds since the epoch, 8 octets, little-endian, which another
program rewrites in place. A state folder lives by one clock all its life: a signature from a day
that has not come would stand in the way of every later one.
"""

import ipaddress
import mmap
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server.publisher.errors import PublishError
from server.settings import Settings
from server.storage.durable import write_immutable
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = struct.Struct("<Q")
_MARK = b"The clock of this state is simulated.\n"


Clock = Callable[[], datetime]


def choose_clock(
    file: Path | None, true: Clock, folder: StateFolder, settings: Settings, *, has_sockets: bool
) -> tuple[Clock, Callable[[], float] | None]:
    """Return the clock of `run`, and what counts seconds without jumps where that is another one.

    Raises PublishError where the state has lived by the other kind of clock.
    """
    if file is None:
        check_true_clock(folder)
        return true, None
    take_unsafe_clock(folder, settings, has_sockets=has_sockets)
    clock = open_unsafe_clock(file)
    return clock, lambda: clock().timestamp()


def open_unsafe_clock(file: Path) -> Clock:
    """Return the clock that `file` is; raises StorageError where it holds no time."""
    try:
        with file.open("rb") as opened:
            view = mmap.mmap(opened.fileno(), _FORM.size, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise StorageError(f"{file} is no clock of 8 bytes: {error}.") from error

    def clock() -> datetime:
        return _EPOCH + timedelta(microseconds=_FORM.unpack_from(view)[0])

    return clock


def check_true_clock(folder: StateFolder) -> None:
    """Raise PublishError where the state was served by a simulated clock before."""
    if _mark(folder).exists():
        raise PublishError(
            f"{folder.root} belongs to a simulation, and what it signed is of days that have not"
            " come: make another state with `hening-server init`."
        )


def take_unsafe_clock(folder: StateFolder, settings: Settings, *, has_sockets: bool) -> None:
    """Mark a state as a simulation's; raises PublishError where it could be anything else.

    It listens on loopback alone, uses neither PostgreSQL nor S3 nor sockets of somebody else, and
    has published nothing under the true clock.
    """
    hosts = [settings.host] + [settings.api_host] * (settings.api_port is not None)
    if not all(_is_loopback(host) for host in hosts):
        raise PublishError(
            "--unsafe-clock is for simulations on this machine: listen on 127.0.0.1 alone."
        )
    if settings.database_url or settings.blobs_url or settings.socket or has_sockets:
        raise PublishError(
            "--unsafe-clock is for simulations on this machine: leave the database, the blobs and"
            " the sockets of a real server away."
        )
    if folder.public.exists() and not _mark(folder).exists():
        raise PublishError(
            f"{folder.root} has been published from by the true clock, which it keeps: make another"
            " state for the simulation."
        )
    write_immutable(_mark(folder), _MARK)


def _mark(folder: StateFolder) -> Path:
    return folder.root / "simulated"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
