"""Entries of the trail on a terminal: when, who, and a sentence about what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from hening.times import show_time
from server.core.content.invisible import escape_invisible

if TYPE_CHECKING:
    from server.release.rollouts.changes import ChangeView

_INDENT = 4


def print_entries(rows: Sequence[Mapping[str, Any]], changes: Mapping[str, ChangeView]) -> None:
    """Print entries; `changes` has the orders that they are about, by id."""
    from server.console.trail_texts import describe_details, describe_entry

    console = Console(highlight=False)
    for row in rows:
        head = (str(row["index"]), show_time(row["at"]), row["actor"], row["action"])
        console.print(Text(escape_invisible("  ".join(head)), style="bold"))
        change = changes.get(row["detail"].get("change", ""))
        said = describe_entry(row["action"], row["subject"], change)
        more = describe_details(row["action"], row["at"], row["detail"], change, show_time)
        for line in (said, more):
            text = Text(escape_invisible(line))
            for part in text.wrap(console, console.width - _INDENT) if line else ():
                part.rstrip()
                console.print(Text(" " * _INDENT) + part)
