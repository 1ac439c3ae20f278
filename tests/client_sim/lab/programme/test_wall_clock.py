"""Statistics of real clocks: what they find, and how small an effect they can see."""

import math
from dataclasses import replace
from statistics import NormalDist

import pytest

from client_sim.lab.programme.wall_clock import FAMILY, Timed, compare_clocks
from client_sim.tape import Tape
from tests.cases import case


def draw(seed, count, mean=2000.0, spread=100.0):
    """Draw polls whose durations are normal deviates."""
    tape = Tape(seed)
    normal = NormalDist(mean, spread)
    return [
        Timed(
            normal.inv_cdf((tape.below(10**6) + 0.5) / 10**6) / 2,
            normal.inv_cdf((tape.below(10**6) + 0.5) / 10**6),
        )
        for _ in range(count)
    ]


def alarms(one, other):
    """Give the tests that alarm."""
    return {row.test for row in compare_clocks(one, other) if not row.passed}


def test_the_family_shares_one_in_ten_million():
    """28 tests: for two durations a distribution, a mean and twelve bits.

    A normal distribution is no guide to 99 polls.
    """
    rows = compare_clocks(draw(1, 200), draw(2, 200))
    assert len(rows) == 28
    assert math.isclose(sum(row.alpha for row in rows), FAMILY)
    assert FAMILY <= 1e-7
    assert {row.samples for row in rows} == {400}
    with pytest.raises(ValueError, match="100 polls or more"):
        compare_clocks(draw(1, 99), draw(2, 100))


def test_two_owners_who_are_alike_raise_no_alarm():
    """Twenty times, with other draws each time."""
    for seed in range(20):
        with case(seed):
            assert alarms(draw(2 * seed, 400), draw(2 * seed + 1, 400)) == set()


def test_a_change_is_found_by_what_it_changes():
    """A mean that moves by a whole standard deviation; the row says what it could have seen.

    A spread that grows: Welch is blind to it. A bit of the microsecond: nothing else moves.
    """
    one, other = draw(1, 400), draw(2, 400, mean=2100.0)
    assert {"whole poll: mean", "whole poll: distribution"} <= alarms(one, other)
    row = next(r for r in compare_clocks(one, other) if r.test == "whole poll: mean")
    # 5.9 deviates of a difference whose own deviation is 112 / sqrt(200): 46 to 47 us.
    assert 44 <= float(row.smallest_effect.removesuffix(" us later")) <= 49
    found = alarms(draw(1, 2000), draw(2, 2000, spread=200.0))
    assert "whole poll: distribution" in found
    assert "whole poll: mean" not in found
    one = [replace(t, whole=float(int(t.whole) // 2 * 2)) for t in draw(1, 200)]
    other = [replace(t, whole=float(int(t.whole) // 2 * 2 + 1)) for t in draw(2, 200)]
    assert alarms(one, other) == {"whole poll: bit 0"}
