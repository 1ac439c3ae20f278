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
