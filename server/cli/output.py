"""Prints changes and previews for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hening.times import show_day, show_time
from server.core.content.invisible import escape_invisible
from server.core.quantities import spell_size
from server.tables import print_table

if TYPE_CHECKING:
    from server.release.rollouts.changes import ChangeView
    from server.release.rollouts.preview import Preview, UpgradePath


def print_changes(changes: list[ChangeView]) -> None:
    """Print one paragraph for each change; its first line has the id that `approve` needs."""
    from server.console.texts import describe_change

    console = Console(highlight=False)
    for number, change in enumerate(changes):
        if number:
            console.print()
        console.print(Text(f"{change.id}  {change.state}", style="bold"))
        lines = [describe_change(change), *_describe_build(change)]
        origin = f"by {change.proposed_by}, {show_time(change.proposed_at)}"
        if change.due_at != change.proposed_at:
            origin += f", due {show_time(change.due_at)}"
        lines += [origin, *([change.reason] if change.reason else [])]
        for line in lines:
            console.print(Padding(Text(escape_invisible(line)), (0, 0, 0, 2)))


def print_change(change: ChangeView) -> None:
    """Print the complete record of a change."""
    from server.console.texts import describe_change

    console = Console(highlight=False)
    command = describe_change(change)
    console.print(Text(f"{command[:1].upper()}{command[1:]}: {change.state}", style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _facts(change):
        if text:
            table.add_row(f"  {name}", Text(escape_invisible(text, lines=True)))
    console.print(table)


def _facts(change: ChangeView) -> list[tuple[str, str]]:
    from server.console.texts import describe_plan, describe_windows, plan_of
    from server.release.rollouts.commands import Halt, Pause

    reasons = change.command.reason if isinstance(change.command, Pause | Halt) else {}
    return [
        ("change", change.id),
        ("build", "\n".join(_describe_build(change))),
        ("plan", describe_plan(plan_of(change), show_time)),
        ("windows", "\n".join(describe_windows(plan_of(change)))),
        ("for owners", "\n".join(f"{key}: {text}" for key, text in sorted(reasons.items()))),
        ("note", change.note),
        ("proposed", f"by {change.proposed_by}, {show_time(change.proposed_at)}"),
        ("approved", _describe_approval(change)),
        ("due", "immediately" if change.due_at == change.proposed_at else show_time(change.due_at)),
        ("finished", show_time(change.finished_at)),
        ("snapshot", str(change.snapshot or "")),
        ("reason", change.reason),
    ]


def _describe_approval(change: ChangeView) -> str:
    from server.release.rollouts.changes import State

    if change.approved_by is not None:
        return f"by {change.approved_by}, {show_time(change.approved_at)}"
    return "not yet" if change.state == State.WAITING else ""


def _describe_build(change: ChangeView) -> list[str]:
    build = change.build
    lines = [] if build is None else [build.facts(show_day), build.changelog]
    return [line for line in lines if line]


_ENDS = {
    "current": "nothing newer is offered",
    "halted": "nothing, it is halted",
    "unreachable": "the path ends here: a step is gone",
}


def print_preview(preview: Preview) -> None:
    """Print the offered build, its shares, and what phones of each build install."""
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
                _name(path.build, path.counter),
                _describe(path),
                spell_size(path.length) if path.hops else "",
            )
            for path in preview.ways
        ],
    )


def _name(build: str, counter: int) -> str:
    from server.publisher.build_names import version_of

    return f"{version_of(build)} (build {counter})" if counter else build


def _describe(path: UpgradePath) -> str:
    hops = [
        f"{_name(hop.build, hop.counter)}, {hop.type}, {spell_size(hop.length)}"
        for hop in path.hops
    ]
    end = _ENDS.get(path.end)
    return "; then ".join([*hops, *([] if end is None else [end])])
