"""Cuts what a package names itself, so that a sentence about it stays one that people read."""

from collections.abc import Sequence

MAX_SENTENCE = 300  # characters
_LONGEST, _MOST = 60, 3


def show_name(name: str) -> str:
    """Return a name as sentences show it: its first 60 characters, `?` for what does not print."""
    shown = "".join(each if each.isprintable() else "?" for each in name[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def show_text(text: str) -> str:
    """Return a value between quotes, at most 60 characters with what escapes those of no sign."""
    shown = repr(text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def show_names(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    shown = ", ".join(map(show_name, names[:_MOST]))
    return shown if len(names) <= _MOST else f"{shown} and {len(names) - _MOST} more"
