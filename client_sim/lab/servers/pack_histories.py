"""What is done with packs in public, step by step: each step before another poll."""

from collections.abc import Sequence
from typing import Final

from client_sim.lab.servers.contents import (
    Change,
    Contents,
    Publication,
    keep,
    mark,
    one_by_one,
    renew_content,
    renew_tables,
)
from client_sim.lab.servers.packs import ROLES

_STEPS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("to begin and to end, withdrawn, and followed", ("timed", "! withdrawn", "")),
    ("withdrawn, and followed", ("! withdrawn", "", "")),
    ("withdrawn and followed while phones sleep", ("", "! withdrawn; ", "")),
    ("staged for nobody, then for all", ("for nobody", "! for all", "")),
    ("to begin and to end", ("timed", "-", "")),
    ("to come, or over", ("to come", "ended", "")),
    ("bad, followed, and bad again", ("bad", "", "bad")),
    ("bad, and withdrawn", ("bad", "! withdrawn", "")),
    ("turned back to the first version", ("", "turned back", "")),
)
"""By step the state of a new version, or after `!` of the current one; `-` is no step.

States separated by `; ` become public between the same two polls.
"""

SAID: Final = (
    ("for nobody", "for all"),
    ("to come", "ended"),
    ("timed", "for nobody"),
    ("bad", "for all"),
)
"""Pairs of states: servers may announce the first to one phone, the second to another."""

HISTORIES: Final = tuple(name for name, _ in _STEPS)
"""What can be done with a pack, by name."""


def make_history(name: str, kind: str) -> tuple[Publication, ...]:
    """Make what is done with the pack of a kind; a step before each poll but the first."""
    return make_steps(dict(_STEPS)[name], kind)


def make_steps(steps: Sequence[str], kind: str) -> tuple[Publication, ...]:
    """Make the history of such steps as are those of `HISTORIES`."""
    return one_by_one(tuple((f"{kind}: {step}", _change(kind, step)) for step in steps))


def _change(kind: str, step: str) -> Change:
    first, then, second = step.partition("; ")
    if then:
        return lambda was: _change(kind, second)(_change(kind, first)(was))
    role = ROLES[kind]
    if step == "-":
        return keep
    if step.startswith("! "):
        return mark(kind, role, step.removeprefix("! "))

    def change(was: Contents) -> Contents:
        renewed = renew_tables(was) if role == "tables" else renew_content(was)
        return mark(kind, role, step)(renewed) if step else renewed

    return change
