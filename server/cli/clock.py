"""`clock`: whether the machine's clock is believed, and a person's word that it is right."""

import json
from pathlib import Path

import click
import msgspec

from hening.times import UTC_TIMES, show_second
from server.cli.options import JSON, STATE, now, require_state
from server.cli.recorded import record_once
from server.publisher.errors import PublishError
from server.publisher.steady_clock import FAR, JUMP


@click.group(epilog="Example: hening-server clock show --state var/server")
def clock() -> None:
    """Show and confirm the clock.

    A clock that jumped ahead by more than 12 hours is not believed, and signs nothing, before a
    person confirmed it: signatures would live too long.
    """


@clock.command(epilog="Example: hening-server clock show --state var/server")
@STATE
@UTC_TIMES
@JSON
def show(state: Path, as_json: bool) -> None:
    """Show the clock, the newest signature, and whether the clock is believed."""
    from server.publisher.clock import load_witness

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
            "The newest time that a signature or a person vouches for is"
            f" {show_second(witness.time)}."
        )
    if is_ahead:
        click.echo("It is not believed by commands; where it is right, run `clock confirm`.")


@clock.command(epilog="Example: hening-server clock confirm --state var/server")
@STATE
@UTC_TIMES
def confirm(state: Path) -> None:
    """Say that the machine's clock is right, after you compared it with another one.

    A running server believes it within seconds.
    """
    from server.publisher.clock import ClockRecord, load_witness, write_clock_record

    folder = require_state(state)
    witness, wall = load_witness(folder), now()
    if witness.time is not None and witness.time - wall > JUMP:
        raise PublishError(
            f"the clock says {show_second(wall)}, and something was signed at"
            f" {show_second(witness.time)} already: mend the clock; nothing has to be confirmed"
            " for that."
        )
    at = int(wall.timestamp())
    before = None if witness.time is None else int(witness.time.timestamp())
    record_once(folder, "clock.confirm", "clock", {"clock": at, "vouched": before})
    write_clock_record(folder, ClockRecord(witness.record.doubted, max(at, witness.record.doubted)))
    click.echo(f"The clock is confirmed: {show_second(wall)}.")
