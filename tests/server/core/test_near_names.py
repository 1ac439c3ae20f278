"""What somebody may have meant."""

import pytest

from server.core.near_names import ask_for_near

KNOWN = ["armani/id/stable", "armani/id/beta", "armani/in/stable", "armani", "cancro"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("armani/id/stabel", "armani/id/stable"),
        ("armani/id/bata", "armani/id/beta"),
        ("armnai", "armani"),
        ("armani/id/nightly", ""),
        ("dior", ""),
    ],
)
def test_a_near_name(name, near):
    """A slip of the fingers, and no other name that shares its beginning."""
    assert ask_for_near(name, KNOWN) == (f" Did you mean {near}?" if near else "")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("doir", "dior"),
        ("dioq", "dior"),
        ("mocka", "mocha"),
        ("mada", ""),
        ("oird", ""),
        ("do", ""),
    ],
)
def test_a_near_name_of_a_short_one(name, near):
    """One letter may be wrong, or two have changed places; with more it is another name."""
    known = ["dior", "mido", "mocha"]
    assert ask_for_near(name, known) == (f" Did you mean {near}?" if near else "")
