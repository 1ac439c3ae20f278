"""Contacts: unknown lines are preserved, and two versions are merged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.cloud.contacts import (
    describe_contact,
    encode_card,
    is_same_person,
    merge_cards,
    parse_card,
    split_cards,
)
from client_sim.cloud.errors import RecordError
from tests.cases import case


def card(*lines, version="4.0"):
    """Return a card with these lines."""
    content = ("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD")
    return "".join(f"{line}\r\n" for line in content).encode()


BASE = card("FN:Budi", "TEL:1", "TEL:2", "X-LIKES;K=V:tea", "PHOTO:data:image/jpeg;base64,/9j/")


def merge(mine, theirs, base=BASE, *, later=True):
    """Merge two versions; returns the lines between version and end, and the lost line."""
    body, lost = merge_cards(base, mine, theirs, mine_is_later=later)
    return [line.text for line in parse_card(body)[2:-1]], lost


def test_unknown_lines_keep_their_order():
    """Unknown lines keep their order, also a photo as data, which common libraries drop."""
    lines = ["FN:Budi", "TEL:1", "TEL:2", "X-LIKES;K=V:tea", "PHOTO:data:image/jpeg;base64,/9j/"]
    assert [line.text for line in parse_card(BASE)[2:-1]] == lines
    assert merge(BASE, BASE) == (lines, "")


def test_merge_of_a_repeated_property():
    """One side adds a number and drops one, the other adds one: all three changes are merged."""
    mine = card("FN:Budi", "TEL:1", "TEL:3", "X-LIKES;K=V:tea", "PHOTO:data:image/jpeg;base64,/9j/")
    theirs = BASE.replace(b"TEL:2", b"TEL:2\r\nTEL:4")
    lines, lost = merge(mine, theirs)
    assert [x for x in lines if x.startswith("TEL")] == ["TEL:1", "TEL:4", "TEL:3"]
    assert "X-LIKES;K=V:tea" in lines
    assert lost == ""


def test_conflicting_values_of_a_single_property():
    """The later value is used, and the owner is told the lost one."""
    for later, name in ((True, "FN:Boy"), (False, "FN:Bob")):
        with case(later, name):
            lines, lost = merge(
                BASE.replace(b"Budi", b"Boy"), BASE.replace(b"Budi", b"Bob"), later=later
            )
            assert lines[0] == name
            assert {lines[0], lost} == {"FN:Boy", "FN:Bob"}
            changed = BASE.replace(b"Budi", b"Boy")  # by one side alone, which is no conflict
            for sides in ((changed, BASE), (BASE, changed)):
                lines, lost = merge(*sides, later=later)
                assert (lines[0], lost) == ("FN:Boy", "")


def test_merge_without_a_common_version():
    """Two phones that had the same contact before their first synchronisation lose no line."""
    lines, _ = merge(card("FN:Budi", "TEL:1"), card("FN:Budi", "TEL:2", "NOTE:x"), None)
    assert lines == ["FN:Budi", "TEL:2", "TEL:1", "NOTE:x"]


LINES = st.lists(
    st.sampled_from(
        [f"{name}:{value}" for name in ("TEL", "EMAIL", "X-A", "ADR") for value in "123"]
    ),
    max_size=6,
    unique=True,
)


@given(LINES, LINES, LINES)
def test_a_merge_loses_no_line_that_was_added(base, mine, theirs):
    """A merge has all added lines, and no line that a side removed."""
    body, _ = merge_cards(card(*base), card(*mine), card(*theirs), mine_is_later=True)
    lines = {line.text for line in parse_card(body)[2:-1]}
    added = (set(mine) | set(theirs)) - set(base)
    kept = set(base) & set(mine) & set(theirs)
    assert lines == added | kept


@given(LINES, LINES, LINES)
def test_both_sides_of_a_merge_get_the_same_lines(base, mine, theirs):
    """The merged lines are the same, whichever phone merges."""
    one, _ = merge_cards(card(*base), card(*mine), card(*theirs), mine_is_later=True)
    other, _ = merge_cards(card(*base), card(*theirs), card(*mine), mine_is_later=False)
    assert sorted(x.text for x in parse_card(one)) == sorted(x.text for x in parse_card(other))


def test_matching_contacts():
    """A shared name or a shared number alone is not enough."""
    for one, other, is_same in (
        (card("UID:a", "FN:X"), card("UID:a", "FN:Y"), True),
        (card("FN:Budi", "TEL:+62 21-5"), card("FN:BUDI", "TEL;TYPE=home:+62215"), True),
        (card("FN:Budi", "EMAIL:a@b"), card("FN:Budi", "EMAIL;PREF=1:A@b"), True),
        (card("FN:Budi", "TEL:1"), card("FN:Budi", "TEL:2"), False),
        (card("FN:Budi", "TEL:1"), card("FN:Ani", "TEL:1"), False),
        (card("TEL:1"), card("TEL:1"), False),
    ):
        with case(one, other, is_same):
            assert is_same_person(one, other) is is_same


def test_line_folding():
    """Folded lines are joined; lines are folded at 75 bytes, without splitting a character."""
    body = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Bu\r\n di\r\nNOTE:a\r\n\tb\r\nEND:VCARD\r\n"
    assert [line.text for line in parse_card(body)[2:4]] == ["FN:Budi", "NOTE:ab"]
    written = encode_card(parse_card(card("NOTE:" + "\N{SNOWMAN}" * 60)))
    assert max(map(len, written.split(b"\r\n"))) <= 75
    assert parse_card(written) == parse_card(card("NOTE:" + "\N{SNOWMAN}" * 60))


def test_split_cards():
    """A file is split into its cards; blank lines between them are skipped."""
    cards = [card("FN:a"), card("FN:b", version="3.0")]
    assert list(split_cards(b"\xef\xbb\xbf" + b"\r\n".join(cards))) == cards


def test_a_file_that_is_no_vcard_is_refused():
    """A truncated file, vCard 2.1 and a file without a beginning are refused."""
    for data in (b"BEGIN:VCARD\r\nFN:a\r\n", card(version="2.1"), b"FN:a\nEND:VCARD"):
        with case(data), pytest.raises(RecordError):
            list(split_cards(data))


def test_malformed_card_is_kept():
    """A record that is no card is preserved, and is named as unreadable."""
    assert describe_contact(b"\xff") == "a contact that cannot be read"
    assert merge_cards(None, b"\xff", BASE, mine_is_later=False) == (BASE, "the whole contact")
