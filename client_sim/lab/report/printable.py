"""Text that may be shown anywhere: on a terminal, in XML, on a page; sentences on a console."""

from typing import Final

from rich.console import Console
from rich.text import Text

_LIMIT: Final = 2000  # characters: no sentence for people is longer


def printable(text: str | bytes, most: int = _LIMIT) -> str:
    r"""Escape every character that moves the cursor, reverses text or is invisible (`\x1b`).

    What remains is printable by Unicode's categories, which leaves nothing that XML forbids. Of a
    very long text only the beginning is returned.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    shown = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text[: most + 1]
    )
    return shown if len(shown) <= most else f"{shown[:most]}…"


def say(console: Console, text: str, style: str = "") -> None:
    """Print a sentence; where no terminal reads it, on one line however long it is."""
    console.print(Text(text, style), soft_wrap=not console.is_terminal)
