"""Text that may be shown anywhere: on a terminal, in XML, on a page."""

from typing import Final

_LIMIT: Final = 2000  # characters: no sentence for people is longer


def printable(text: str) -> str:
    r"""Escape every character that moves the cursor, reverses text or is invisible (`\x1b`).

    What remains is printable by Unicode's categories, which leaves nothing that XML forbids. Of a
    very long text only the beginning is returned.
    """
    shown = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text[:_LIMIT]
    )
    return shown if len(text) <= _LIMIT else f"{shown}…"
