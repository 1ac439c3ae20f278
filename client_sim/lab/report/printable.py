"""Text that may be shown anywhere: on a terminal, in XML, on a page."""

from typing import Final

_LIMIT: Final = 2000  # signs: a sentence that is longer was not written for people


def printable(text: str) -> str:
    r"""Write every sign that moves a cursor, turns a line round or hides as its escape (`\x1b`).

    What remains is printable by Unicode's categories, which leaves nothing that XML forbids. Of a
    very long text the beginning is given.
    """
    shown = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text[:_LIMIT]
    )
    return shown if len(text) <= _LIMIT else f"{shown}…"
