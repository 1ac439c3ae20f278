"""`clock`: shows whether the machine's clock is trusted, and lets an operator confirm it."""

import ipaddress
import json
import mmap
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from hening.times import UTC_TIMES, show_second, show_time
from server.cli.database import record_once
from server.cli.options import JSON, STATE, now, require_state
from server.publisher.errors import PublishError
from server.settings import Settings
from server.storage.durable import write_immutable
from server.storage.errors import StorageError
from server.storage.layout import StateFolder


@click.group(epilog="Example: hening-server clock show --state var/server")
def clock() -> None:
    """Show and confirm the clock.

    After a clock jumped ahead by more than 12 hours, it is not used for signatures until an
    operator confirms it, because signatures would be valid for too long.
    """


@clock.command(epilog="Example: hening-server clock show --state var/server")
@STATE
@UTC_TIMES
@JSON
def show(state: Path, as_json: bool) -> None:
    """Show the clock, the newest signature, and whether the clock is trusted."""
    from server.publisher.expiry.clock import FAR, load_witness

    witness, wall = load_witness(require_state(state)), now()
    is_ahead = witness.time is not None and wall - witness.time > FAR
    if as_json:
        known = None if witness.time is None else int(witness.time.timestamp())
        row = {
            "believed": not is_ahead,
            "clock": int(wall.timestamp()),
            "vouched": known,
            **msgspec.to_builtins(witness.record),
        }
        click.echo(json.dumps(row))
        return
    click.echo(f"The clock says {show_second(wall)}.")
    if witness.time is not None:
        click.echo(
            f"The newest time of a signature or a confirmation is {show_second(witness.time)}."
        )
    if is_ahead:
        click.echo("Commands do not trust it; if it is right, run `clock confirm`.")


@clock.command(epilog="Example: hening-server clock confirm --state var/server")
@STATE
@UTC_TIMES
def confirm(state: Path) -> None:
    """Confirm the machine's clock, after you have compared it with another clock.

    A running server uses it within seconds.
    """
    from server.publisher.expiry.clock import JUMP, ClockRecord, load_witness, write_clock_record

    folder = require_state(state)
    witness, wall = load_witness(folder), now()
    if witness.time is not None and witness.time - wall > JUMP:
        raise PublishError(
            f"the clock says {show_second(wall)}, but something was already signed at"
            f" {show_second(witness.time)}: correct the clock; it does not have to be confirmed"
            " afterwards."
        )
    at = int(wall.timestamp())
    before = None if witness.time is None else int(witness.time.timestamp())
    record_once(folder, "clock.confirm", "clock", {"clock": at, "vouched": before})
    write_clock_record(folder, ClockRecord(witness.record.doubted, max(at, witness.record.doubted)))
    click.echo(f"The clock is confirmed: {show_second(wall)}.")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = struct.Struct("<Q")
_MARK = b"The clock of this state is simulated.\n"


Clock = Callable[[], datetime]


def choose_clock(
    file: Path | None, true: Clock, folder: StateFolder, settings: Settings, *, has_sockets: bool
) -> tuple[Clock, Callable[[], float] | None]:
    """Return the clock of `run`, and a function for monotonic seconds if the clock is simulated.

    Raises PublishError if the state was used with the other kind of clock.
    """
    if file is None:
        check_true_clock(folder)
        return true, None
    take_unsafe_clock(folder, settings, has_sockets=has_sockets)
    clock = open_unsafe_clock(file)
    return clock, lambda: clock().timestamp()


def open_unsafe_clock(file: Path) -> Clock:
    """Return the clock that reads `file`; raises StorageError if the file is not a clock."""
    try:
        with file.open("rb") as opened:
            view = mmap.mmap(opened.fileno(), _FORM.size, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise StorageError(f"{file} is not a clock of 8 bytes: {error}.") from error

    def clock() -> datetime:
        return _EPOCH + timedelta(microseconds=_FORM.unpack_from(view)[0])

    return clock


def check_true_clock(folder: StateFolder) -> None:
    """Raise PublishError if the state was served with a simulated clock before."""
    if _mark(folder).exists():
        raise PublishError(
            f"{folder.root} belongs to a simulation, and may have signed with future times: make"
            " another state with `hening-server init`."
        )


def take_unsafe_clock(folder: StateFolder, settings: Settings, *, has_sockets: bool) -> None:
    """Mark a state as a simulation's; raises PublishError if it could be a real server's.

    A simulation listens only on loopback, uses neither PostgreSQL nor S3 nor inherited sockets, and
    has published nothing with the true clock.
    """
    hosts = [settings.host] + [settings.api_host] * (settings.api_port is not None)
    if not all(_is_loopback(host) for host in hosts):
        raise PublishError(
            "--unsafe-clock is for simulations on this machine: listen only on 127.0.0.1."
        )
    if settings.database_url or settings.blobs_url or settings.socket or has_sockets:
        raise PublishError(
            "--unsafe-clock is for simulations on this machine: leave out the database, the blobs"
            " and the sockets of a real server."
        )
    if folder.public.exists() and not _mark(folder).exists():
        raise PublishError(
            f"{folder.root} has published with the true clock, which it keeps: make another state"
            " for the simulation."
        )
    write_immutable(_mark(folder), _MARK)


def _mark(folder: StateFolder) -> Path:
    return folder.root / "simulated"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def witnessed_clock(folder: StateFolder) -> Callable[[], datetime]:
    """Return the clock for publishing; warn on standard error if it is not the machine's.

    A running server signs every hour. So if the clock is far ahead of the newest signature, it has
    jumped, or no server runs. Until an operator confirms the clock, the time of that signature is
    used: a halt can be published, and no signature is valid for too long. Call it before any loop
    runs.
    """
    from server.publisher.expiry.clock import FAR, load_witness

    witness = load_witness(folder).time
    wall = now()
    if witness is None or wall - witness <= FAR:
        return now
    click.echo(
        f"hening-server: the clock says {show_time(wall)}, but the newest signature is of"
        f" {show_time(witness)}, and that time is used: if the clock is right, run"
        " `hening-server clock confirm` and then this command again.",
        err=True,
    )
    return lambda: witness
