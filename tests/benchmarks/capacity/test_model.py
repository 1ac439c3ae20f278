"""The load that a fleet causes at its servers; expected values are calculated by hand."""

import pytest

from benchmarks.capacity.model import (
    MEAN,
    Costs,
    Queue,
    Wave,
    daily_bytes,
    due_share,
    package_rate,
    poll_rates,
    queue,
)


def test_second_polls_follow_after_four_to_eight_hours():
    """A minute has 60 of the 14,401 seconds over which second polls are drawn."""
    polls = poll_rates(Wave(14_401, 60), 8)
    assert polls[0] == pytest.approx(14_401)
    assert polls[1:240] == [0] * 239
    assert polls[240:480] == pytest.approx([60] * 240)


def test_poll_rate_becomes_even():
    """After three days each minute has its even share of polls that come every six hours."""
    assert poll_rates(Wave(21_600, 60), 72)[-1] == pytest.approx(21_600 * 60 / MEAN, rel=0.01)


@pytest.mark.parametrize(("hours", "share"), [(0, 0), (1, 1 / 6), (4, 2 / 3), (6, 11 / 12), (9, 1)])
def test_share_of_due_polls(hours, share):
    """An hour is a sixth of the mean interval; in the sixth hour half of the intervals are over."""
    assert due_share(hours) == pytest.approx(share)


def test_queue_of_waiting_phones():
    """If 100 polls a second arrive for a minute and 50 are answered, 3,000 wait."""
    assert queue(Wave(6_000, 60), 50, room=5_000) == Queue(3_000, 0, 60)
    assert queue(Wave(6_000, 60), 50, room=1_000) == Queue(1_000, 2_000, 20)
    assert queue(Wave(6_000, 60), 200, room=1_000) == Queue(0, 0, 0)


def test_daily_bytes_and_package_rate():
    """One of four polls a day follows a publication; 86,400 bytes a day are 8 bits a second."""
    costs = Costs(ours=0, edge=0, unchanged=10, changed=100)
    assert daily_bytes(2, costs, 1) == 260
    assert package_rate(1_000, 86_400, 1) == 8_000
