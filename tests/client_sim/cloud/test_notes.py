"""Notes: changes of two devices are merged into one note, or both notes are kept."""

from hypothesis import given
from hypothesis import strategies as st

from client_sim.cloud.notes import make_note, merge_lines, merge_notes, name_copy, split_note
from tests.cases import case

BASE = make_note("List", "a\nb\nc\nd\n")


def merge(mine, theirs, *, later=True):
    """Merge two texts of the note "List"."""
    merged = merge_notes(
        BASE, make_note("List", mine), make_note("List", theirs), mine_is_later=later
    )
    return None if merged is None else split_note(merged)[1]


def test_merged_lines():
    """Changes that do not overlap are merged, in either direction; results were written by hand."""
    for mine, theirs, merged in (
        ("a\nb\nc\nd\n", "a\nb\nx\nd\n", "a\nb\nx\nd\n"),
        ("0\na\nb\nc\nd\n", "a\nb\nc\nd\n1\n", "0\na\nb\nc\nd\n1\n"),
        ("a\nc\nd\n", "a\nb\nc\n", "a\nc\n"),
        ("a\nb\nx\nd\n", "a\nb\nx\nd\n", "a\nb\nx\nd\n"),
        ("a\nb\nx\nd\n", "a\nb\ny\nd\n", None),
        ("", "a\nb\nc\nx\n", None),
    ):
        with case(mine, theirs, merged):
            assert merge(mine, theirs) == merged
            assert merge(theirs, mine) == merged


def test_merged_titles():
    """A title changed by one side is used, of two the later one; the text is merged separately."""
    mine, theirs = make_note("Mine", "a\nb\nc\nd\n"), make_note("Theirs", "a\nb\nc\nd\n")
    assert merge_notes(BASE, mine, BASE, mine_is_later=False) == mine
    assert merge_notes(BASE, BASE, theirs, mine_is_later=True) == theirs
    assert merge_notes(BASE, mine, theirs, mine_is_later=True) == mine
    assert merge_notes(BASE, mine, theirs, mine_is_later=False) == theirs


def test_title_of_a_conflicting_copy():
    """The copy's title names the conflict, and stays within the limit."""
    assert name_copy(BASE, "2026-09-21") == make_note("List (conflict, 2026-09-21)", "a\nb\nc\nd\n")
    assert len(split_note(name_copy(make_note("x" * 900, ""), "2026-09-21"))[0]) <= 200


TEXTS = st.lists(st.sampled_from("abc"), max_size=8)


@given(TEXTS, TEXTS, TEXTS)
def test_a_merge_is_the_same_from_both_sides(base, one, other):
    """A merge is symmetric; if a side changed nothing, the result is the other side."""
    assert merge_lines(base, one, other) == merge_lines(base, other, one)
    assert merge_lines(base, base, other) == other
    assert merge_lines(base, one, one) == one
