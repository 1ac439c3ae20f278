"""A preview as people read it: when which share is reached, and what each build is offered."""

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from server.cli.times import show_day, show_time
from server.core.content.invisible import escape_invisible
from server.core.quantities import spell_size
from server.publisher.build_names import version_of
from server.release.rollouts.preview import BuildWay, Preview

_ENDS = {
    "current": "nothing newer is offered",
    "halted": "nothing, it is halted",
    "unreachable": "the way ends here: a step is gone",
}


def print_preview(preview: Preview) -> None:
    """Print what is offered, to which shares, and what phones of each build install."""
    click.echo(f"{preview.channel}: {preview.build.title}, {preview.state}")
    for line in (preview.build.facts(show_day), preview.build.changelog):
        if line:
            click.echo(f"  {escape_invisible(line)}")
    shares = Table("from", "share")
    for share in preview.shares:
        shares.add_row(show_time(share.start), f"{share.permille / 10:g}%")
    ways = Table(Column("a phone that runs", overflow="fold"), "installs", "downloads")
    for way in preview.ways:
        size = spell_size(way.length) if way.hops else ""
        ways.add_row(Text(_name(way.build, way.counter)), _describe(way), size)
    console = Console(highlight=False)
    console.print(shares)
    console.print(ways)


def _name(build: str, counter: int) -> str:
    return f"{version_of(build)} (build {counter})" if counter else build


def _describe(way: BuildWay) -> str:
    hops = [
        f"{_name(hop.build, hop.counter)}, {hop.type}, {spell_size(hop.length)}" for hop in way.hops
    ]
    end = _ENDS.get(way.end)
    return "; then ".join([*hops, *([] if end is None else [end])])
