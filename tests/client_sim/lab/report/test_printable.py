"""Texts that no terminal, page or XML reader can be led astray by."""

import pytest

from client_sim.lab.report.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 世界, ok", "Grüße, 世界, ok"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202egnp", "\\u202egnp"),
        ("\x00\x85\ufffe\ud800", "\\x00\\x85\\ufffe\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_not_printed_is_escaped(text, shown):
    """Controls, direction, noncharacters, lone surrogates, invisible tags."""
    assert printable(text) == shown


def test_a_long_text_is_cut():
    """Two thousand signs and a sign that there was more."""
    assert printable("x" * 5000) == "x" * 2000 + "…"
