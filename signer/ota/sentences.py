"""Cuts what a package names itself, so that a sentence about it stays one that people read."""

from collections.abc import Sequence

MAX_SENTENCE = 300  # characters
_LONGEST, _MOST = 60, 3


def show_name(name: str) -> str:
    """Return a name as sentences show it: its first 60 characters."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def show_names(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    shown = ", ".join(map(show_name, names[:_MOST]))
    return shown if len(names) <= _MOST else f"{shown} and {len(names) - _MOST} more"
