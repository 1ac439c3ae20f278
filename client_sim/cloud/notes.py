"""Notes: a title and Markdown text, merged line by line.

On the phone a note is its title, a newline, and its text. In an Etebase item, the title is in the
description and the text is the content.
"""

from difflib import SequenceMatcher
from typing import Final

MORE: Final = 200
"""Maximum characters of a title; a longer one is truncated."""


def make_note(title: str, text: str) -> bytes:
    """Return a note's bytes; the title becomes one line of at most `MORE` characters."""
    line = " ".join(title.split())[:MORE]
    return f"{line}\n{text}".encode("utf-8", "replace")


def split_note(body: bytes) -> tuple[str, str]:
    """Return a note's title and text."""
    title, _, text = body.decode("utf-8", "replace").partition("\n")
    return title, text


def merge_notes(
    base: bytes | None, mine: bytes, theirs: bytes, *, mine_is_later: bool
) -> bytes | None:
    """Merge two versions of a note; None without a base, or if their changes overlap.

    If both titles changed, the later one is kept.
    """
    base_note, my_note, their_note = (split_note(body or b"\n") for body in (base, mine, theirs))
    if base is None:
        return None
    text = merge_lines(
        *(each.splitlines(keepends=True) for each in (base_note[1], my_note[1], their_note[1]))
    )
    if text is None:
        return None
    title = their_note[0] if my_note[0] == base_note[0] else my_note[0]
    if base_note[0] not in (my_note[0], their_note[0]):
        title = my_note[0] if mine_is_later else their_note[0]
    return make_note(title, "".join(text))


def merge_lines(base: list[str], one: list[str], other: list[str]) -> list[str] | None:
    """Merge two versions of some lines, given their base; None if their changes overlap.

    The lines are split at runs that all three have in common. Between two such runs, only one side
    may have changed something, or both made the same change.
    """
    merged: list[str] = []
    at = first = second = 0
    for start, one_start, other_start, count in _find_common(base, one, other):
        pieces = (base[at:start], one[first:one_start], other[second:other_start])
        chosen = _choose(*pieces)
        if chosen is None:
            return None
        merged += chosen
        merged += base[start : start + count]
        at, first, second = start + count, one_start + count, other_start + count
    return merged


def name_copy(body: bytes, day: str) -> bytes:
    """Return a copy of a conflicting note, with the conflict and the date in its title."""
    title, text = split_note(body)
    return make_note(f"{title[: MORE - 30]} (conflict, {day})", text)


def _choose(base: list[str], one: list[str], other: list[str]) -> list[str] | None:
    if one in (other, base):
        return other
    if other == base:
        return one
    return None


def _find_common(
    base: list[str], one: list[str], other: list[str]
) -> list[tuple[int, int, int, int]]:
    """Return the runs of lines that all three have in common.

    A run is its start in base, one and other, and its length. The last run is empty, at the ends.
    """
    first = SequenceMatcher(None, base, one, autojunk=False).get_matching_blocks()
    second = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    found = []
    i = j = 0
    while i < len(first) and j < len(second):
        left, right = first[i], second[j]
        start, end = max(left.a, right.a), min(left.a + left.size, right.a + right.size)
        if start < end:
            found.append((start, left.b + start - left.a, right.b + start - right.a, end - start))
        if left.a + left.size < right.a + right.size:
            i += 1
        else:
            j += 1
    return [*found, (len(base), len(one), len(other), 0)]
