"""Escaping of invisible characters in texts of older versions."""

from hypothesis import given
from hypothesis import strategies as st

from server.core.content.invisible import escape_invisible
from tests import texts


def test_invisible_characters_are_escaped():
    """Controls, direction marks, fillers, private-use characters and tags are escaped.

    Spaces are not. A line feed stays if lines are shown; a carriage return is always escaped.
    """
    for text, shown in (
        ("a\u202eb", r"a\u{202e}b"),
        ("\x1b[2J\r", r"\u{1b}[2J\u{d}"),
        ("a\nb", r"a\u{a}b"),
        ("\u2028\u2066\ufeff", r"\u{2028}\u{2066}\u{feff}"),
        ("\u3164\ue000\ud800", r"\u{3164}\u{e000}\u{d800}"),
        ("\U000e0061", r"\u{e0061}"),
    ):
        assert escape_invisible(text) == shown
    assert escape_invisible("a\r\nb", lines=True) == "a\\u{d}\nb"
    for text in (*texts.NEEDED.values(), "Selamat \u00a0\u3000\U0001f389 \u4fee\u590d"):
        assert escape_invisible(text) == text


@given(st.text())
def test_escaped_text_has_no_controls(text):
    """The result has no control character and no direction mark, and escaping is idempotent."""
    shown = escape_invisible(text)
    assert not set(shown) & set("\0\a\b\t\n\r\x1b\x7f\x85\u2028\u2029\u061c\u200e\u200f")
    assert not any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in shown)
    assert escape_invisible(shown) == shown
