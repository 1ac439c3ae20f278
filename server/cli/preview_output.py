"""A preview as people read it: when which share is reached, and what each build is offered."""

from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.release.rollouts.preview import BuildWay, Preview

_ENDS = {
    "current": "nothing newer is offered",
    "halted": "nothing, it is halted",
    "unreachable": "the way ends here: a step is gone",
}


def print_preview(preview: Preview) -> None:
    """Print a preview; lines are not cut, for fingerprints are long."""
    click.echo(f"{preview.channel} offers counter {preview.counter} ({preview.state}).")
    shares = Table("from (UTC)", "share")
    for share in preview.shares:
        start = f"{datetime.fromtimestamp(share.start, UTC):%Y-%m-%d %H:%M:%S}"
        shares.add_row(start, f"{share.permille / 10:g}%")
    ways = Table("a phone that runs", "counter", "installs", "octets")
    for way in preview.ways:
        ways.add_row(Text(way.build), str(way.counter), _describe(way), f"{way.length:,}")
    console = Console(width=160)
    console.print(shares)
    console.print(ways)


def _describe(way: BuildWay) -> str:
    hops = [f"{hop.counter} ({hop.type}, {hop.length:,})" for hop in way.hops]
    end = _ENDS.get(way.end)
    return ", then ".join([*hops, *([] if end is None else [end])])
