"""A preview as people read it: when which share is reached, and what each build is offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hening.times import show_day, show_time
from server.core.content.invisible import escape_invisible
from server.core.quantities import spell_size
from server.tables import print_table

if TYPE_CHECKING:
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
    click.echo()
    print_table(
        "",
        ("from", "share"),
        [(show_time(share.start), f"{share.permille / 10:g}%") for share in preview.shares],
    )
    click.echo()
    print_table(
        "",
        ("a phone that runs", "installs", "downloads"),
        [
            (
                _name(way.build, way.counter),
                _describe(way),
                spell_size(way.length) if way.hops else "",
            )
            for way in preview.ways
        ],
    )


def _name(build: str, counter: int) -> str:
    from server.publisher.build_names import version_of

    return f"{version_of(build)} (build {counter})" if counter else build


def _describe(way: BuildWay) -> str:
    hops = [
        f"{_name(hop.build, hop.counter)}, {hop.type}, {spell_size(hop.length)}" for hop in way.hops
    ]
    end = _ENDS.get(way.end)
    return "; then ".join([*hops, *([] if end is None else [end])])
