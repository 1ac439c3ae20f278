"""The clock of a command that publishes: held against what was signed before (ADR 36)."""

from collections.abc import Callable
from datetime import datetime

import click

from hening.times import show_time
from server.cli.options import now
from server.publisher.steady_clock import FAR
from server.storage.layout import StateFolder


def witnessed_clock(folder: StateFolder) -> Callable[[], datetime]:
    """Return the clock to publish with, and say on standard error where it is not the machine's.

    A running server signs every hour. So a clock that is far ahead of the newest signature has
    jumped, or no server runs; until a person says which, the time of that signature is used: a halt
    goes out, and nothing lives longer than it should. Call it before any loop runs.
    """
    from server.publisher.clock import load_witness

    witness = load_witness(folder).time
    wall = now()
    if witness is None or wall - witness <= FAR:
        return now
    click.echo(
        f"hening-server: the clock says {show_time(wall)}, and the newest signature is of"
        f" {show_time(witness)}, whose time is used: where the clock is right, run"
        " `hening-server clock confirm` and then this again.",
        err=True,
    )
    return lambda: witness
