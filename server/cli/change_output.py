"""Changes as people read them: the order, its build, who gave it, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hening.times import show_day, show_time
from server.core.content.invisible import escape_invisible
from server.core.quantities import spell_span
from server.release.rollouts.plan import Plan

if TYPE_CHECKING:
    from server.release.rollouts.changes import ChangeView

_WORDS = {
    "offer": "offer {}",
    "schedule": "give {} a new schedule",
    "pause": "pause {}",
    "resume": "resume {}",
    "halt": "halt {}",
}


def describe_order(change: ChangeView) -> str:
    """Return an order in words, such as `offer 1.2.0-id (build 2) in armani/id/stable`."""
    build = "what is offered" if change.build is None else change.build.title
    words = _WORDS.get(change.action, change.action).format(build)
    return f"{words} in {change.channel}"


def print_changes(changes: list[ChangeView]) -> None:
    """Print one paragraph for each change; its first line has what `approve` asks for."""
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
    from server.console.calendars import describe_windows, plan_of
    from server.release.rollouts.orders import Halt, Pause

    reasons = change.order.reason if isinstance(change.order, Pause | Halt) else {}
    return [
        ("change", change.id),
        ("build", "\n".join(_describe_build(change))),
        ("plan", describe_plan(plan_of(change))),
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


def describe_plan(plan: Plan | None) -> str:
    """Return the stages of a plan in words, such as `1% for 1 day, then 100%`."""
    if plan is None:
        return ""
    *kept, last = plan.stages
    stages = [f"{stage.permille / 10:g}% for {spell_span(stage.hold)}" for stage in kept]
    text = ", then ".join([*stages, f"{last.permille / 10:g}%"])
    return text if plan.start is None else f"{text}, from {show_time(plan.start)} on"
