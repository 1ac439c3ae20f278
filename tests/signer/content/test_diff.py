"""What differs between two packs."""

import pytest

from signer.content.diff import diff_packs
from signer.errors import ContentError
from tests.signer.content.packs import make


def numbers(**countries):
    """Return entries of emergency numbers."""
    return {c: {"exact": True, "numbers": list(n)} for c, n in countries.items()}


def test_entries_parts_and_members() -> None:
    """What joined, changed and left; which parts phones fetch, and how many bytes that is."""
    old = make("emergency", numbers(AA=["110"], BB=["110"], CC=["110"]))
    new = make("emergency", numbers(AA=["110"], BB=["112"], DD=["110"]), old, version=2)
    found = diff_packs(old, new)
    assert (found.added, found.changed, found.removed) == (("DD",), ("BB",), ("CC",))
    assert found.members == {"version": (1, 2)}
    assert found.size == sum(len(new.parts[number]) for number in found.parts)
    assert all(old.parts[n] != new.parts[n] for n in found.parts)
    assert str(found) == "emergency: 1 entries added, 1 changed, 1 removed"
    found = diff_packs(make("zones"), make("zones"))
    assert (found.parts, found.size, found.members) == ((), 0, {})
    with pytest.raises(ContentError, match="of zones and the other of apn"):
        diff_packs(make("zones"), make("apn"))
