"""Timing of two owners' polls over real sockets, and statistical tests of the times."""

import math
from dataclasses import replace
from statistics import NormalDist

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.programme.wall_clock import FAMILY, Timed, compare_clocks, time_polls
from client_sim.tape import Tape
from tests.cases import case


def draw(seed, count, mean=2000.0, deviation=100.0):
    """Draw polls with normally distributed durations."""
    tape = Tape(seed)
    normal = NormalDist(mean, deviation)
    return [
        Timed(
            normal.inv_cdf((tape.below(10**6) + 0.5) / 10**6) / 2,
            normal.inv_cdf((tape.below(10**6) + 0.5) / 10**6),
        )
        for _ in range(count)
    ]


def find_alarms(one, other):
    """Return the names of the statistical tests that raise an alarm."""
    return {row.test for row in compare_clocks(one, other) if not row.passed}


def test_false_alarm_rate_of_all_tests_together():
    """28 tests: for two durations a distribution, a mean and twelve bits; at least 100 polls."""
    rows = compare_clocks(draw(1, 200), draw(2, 200))
    assert len(rows) == 28
    assert math.isclose(sum(row.alpha for row in rows), FAMILY)
    assert FAMILY <= 1e-7
    assert {row.samples for row in rows} == {400}
    with pytest.raises(ValueError, match="100 polls or more"):
        compare_clocks(draw(1, 99), draw(2, 100))


def test_equal_distributions_raise_no_alarm():
    """20 pairs of samples of the same distribution."""
    for seed in range(20):
        with case(seed):
            assert find_alarms(draw(2 * seed, 400), draw(2 * seed + 1, 400)) == set()


def test_changed_mean_is_found():
    """A mean that moves by one standard deviation; the row says which difference it can find."""
    one, other = draw(1, 400), draw(2, 400, mean=2100.0)
    assert {"whole poll: mean", "whole poll: distribution"} <= find_alarms(one, other)
    row = next(r for r in compare_clocks(one, other) if r.test == "whole poll: mean")
    # 5.9 deviations of a difference whose own deviation is 112 / sqrt(200): 46 to 47 us.
    assert 44 <= float(row.smallest_effect.removesuffix(" us later")) <= 49


def test_changed_deviation_is_found():
    """The distributions differ; Welch's test does not find it."""
    found = find_alarms(draw(1, 2000), draw(2, 2000, deviation=200.0))
    assert "whole poll: distribution" in found
    assert "whole poll: mean" not in found


def test_changed_bit_is_found():
    """Only the test of that bit of the microseconds finds it."""
    one = [replace(t, whole=float(int(t.whole) // 2 * 2)) for t in draw(1, 200)]
    other = [replace(t, whole=float(int(t.whole) // 2 * 2 + 1)) for t in draw(2, 200)]
    assert find_alarms(one, other) == {"whole poll: bit 0"}


SAMPLES = 150  # of each owner
NOISE = 2_000  # maximal nanoseconds between two readings


class Clock:
    """A clock of nanoseconds that advances by a random time with each reading."""

    def __init__(self):
        self.now = 0
        self._tape = Tape(b"noise")

    def read(self):
        """Return the nanoseconds."""
        self.now += 1 + self._tape.below(NOISE)
        return self.now


def compare(delay):
    """Time a client that is delayed by nanoseconds that depend on the owner; return all rows."""
    clock = Clock()

    class Slow(ToyClient):
        def open(self):
            clock.now += delay(self.world.personal)
            return super().open()

    testbed = plan_testbed(ToyClient, 0)
    timed = time_polls(Slow, testbed, SAMPLES, clock.read, lambda *_: None)
    return {row.test: row for row in compare_clocks(*timed)}


def bit(owner):
    """Return a bit of an owner's data; it differs between the two that are timed."""
    return int(owner.android_id[-1], 16) % 2


def test_delay_that_depends_on_the_owner_is_found():
    """Its mean and its distribution differ, if it is longer than what the rows can find.

    50 nanoseconds are too short to be found.
    """
    for nanoseconds in (1_000, 20_000):
        with case(nanoseconds):
            rows = compare(lambda owner, slower=nanoseconds: slower * bit(owner))
            mean = rows["until the first byte: mean"]
            assert float(mean.smallest_effect.removesuffix(" us later")) < nanoseconds / 1_000
            assert not mean.passed
            assert not rows["until the first byte: distribution"].passed
            assert mean.samples == 2 * SAMPLES
    testbed = plan_testbed(ToyClient, 0)
    assert {bit(testbed.owner(0)), bit(testbed.owner(1))} == {0, 1}
    assert all(row.passed for row in compare(lambda owner: 50 * bit(owner)).values())


def test_equal_delays_raise_no_alarm():
    """A client that is equally slow for both owners passes."""
    rows = compare(lambda _: 20_000)
    assert all(row.passed for row in rows.values())
    # Uniform noise of 2 us has a deviation of 0.58 us. For the difference of two means of 150, 5.9
    # deviations are 5.9 * 0.58 * sqrt(2 / 150) = 0.39 us.
    said = rows["until the first byte: mean"].smallest_effect
    assert 0.35 <= float(said.removesuffix(" us later")) <= 0.44
