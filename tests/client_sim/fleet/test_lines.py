"""Counts of distinct requests and of their senders."""

import pytest

from client_sim.fleet import lines as module
from client_sim.fleet.lines import LineCount, Lines, merge_lines


def test_a_line_counts_requests_and_phones():
    """A phone that sends the same bytes again is counted once."""
    lines = Lines(20)
    for phone in (0, 7, 8, 19, 8, 0):
        lines.find(b"a").note(phone)
    lines.find(b"b").note(3)
    lines.find(b"never sent")
    assert list(lines.counts()) == [LineCount(b"a", 6, 4), LineCount(b"b", 1, 1)]
    assert lines.total() == (7, 7)


def test_requests_beyond_the_limit(monkeypatch):
    """They are counted together, so that new paths do not fill the memory with senders' bits."""
    monkeypatch.setattr(module, "LIMIT", 1)
    lines = Lines(8)
    lines.find(b"a").note(1)
    lines.find(b"bcd").note(1)
    lines.find(b"bcd").note(1)
    assert [line.data for line in lines.counts()] == [b"a"]
    assert lines.total() == (3, 7)
    assert lines.untold() == 2


@pytest.mark.parametrize(("limit", "phones"), [(2, [2, 2]), (1, [2]), (0, [])])
def test_a_pair_counts_for_both_of_its_requests(monkeypatch, limit, phones):
    """Each request is counted together and alone, also beyond the limit."""
    monkeypatch.setattr(module, "LIMIT", limit)
    lines = Lines(16)
    first, second = lines.find(b"a"), lines.find(b"bc")
    first.note(9)
    second.note(9)
    pair = lines.pair(first, second)
    assert pair.data == b"abc"
    pair.note(9)
    pair.note(2)
    for _ in range(2):
        assert lines.total() == (6, 9)
        assert [line.phones for line in lines.counts()] == phones
        assert {line.sent for line in lines.counts()} <= {3}
    assert lines.untold() == 3 * (2 - limit)


def test_workers_counts_are_added():
    """Workers have different phones, so both numbers add up; most senders come first."""
    one = [LineCount(b"a", 5, 2), LineCount(b"b", 9, 3)]
    two = [LineCount(b"a", 5, 2), LineCount(b"c", 1, 1)]
    assert merge_lines([one, two]) == [
        LineCount(b"a", 10, 4),
        LineCount(b"b", 9, 3),
        LineCount(b"c", 1, 1),
    ]
