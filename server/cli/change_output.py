"""Changes as people read them: the order, its build, who gave it, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hening.times import show_day, show_time
from server.core.content.invisible import escape_invisible

if TYPE_CHECKING:
    from server.release.rollouts.changes import ChangeView


def print_changes(changes: list[ChangeView]) -> None:
    """Print one paragraph for each change; its first line has what `approve` asks for."""
    from server.console.order_texts import describe_order

    console = Console(highlight=False)
    for number, change in enumerate(changes):
        if number:
            console.print()
        console.print(Text(f"{change.id}  {change.state}", style="bold"))
        lines = [describe_order(change), *_describe_build(change)]
        given = f"by {change.proposed_by}, {show_time(change.proposed_at)}"
        if change.due_at != change.proposed_at:
            given += f", due {show_time(change.due_at)}"
        lines += [given, *([change.reason] if change.reason else [])]
        for line in lines:
            console.print(Padding(Text(escape_invisible(line)), (0, 0, 0, 2)))


def print_change(change: ChangeView) -> None:
    """Print everything that is on record of one change."""
    from server.console.order_texts import describe_order

    console = Console(highlight=False)
    order = describe_order(change)
    console.print(Text(f"{order[:1].upper()}{order[1:]}: {change.state}", style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _facts(change):
        if text:
            table.add_row(f"  {name}", Text(escape_invisible(text, lines=True)))
    console.print(table)


def _facts(change: ChangeView) -> list[tuple[str, str]]:
    from server.console.order_texts import describe_plan, describe_windows, plan_of
    from server.release.rollouts.orders import Halt, Pause

    reasons = change.order.reason if isinstance(change.order, Pause | Halt) else {}
    return [
        ("change", change.id),
        ("build", "\n".join(_describe_build(change))),
        ("plan", describe_plan(plan_of(change), show_time)),
        ("windows", "\n".join(describe_windows(plan_of(change)))),
        ("for owners", "\n".join(f"{key}: {text}" for key, text in sorted(reasons.items()))),
        ("note", change.note),
        ("proposed", f"by {change.proposed_by}, {show_time(change.proposed_at)}"),
        ("approved", _describe_approval(change)),
        ("due", "at once" if change.due_at == change.proposed_at else show_time(change.due_at)),
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
