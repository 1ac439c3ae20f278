"""Two owners' polls are timed over real sockets, and told apart by statistics on real clocks."""

import math
from dataclasses import replace
from statistics import NormalDist

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.wall_clock import FAMILY, Timed, compare_clocks, time_polls
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


SAMPLES = 150  # of each owner
NOISE = 2_000  # nanoseconds at most between two looks


class Clock:
    """A clock of nanoseconds that only goes forward."""

    def __init__(self):
        self.now = 0
        self._tape = Tape(b"noise")

    def read(self):
        """Look."""
        self.now += 1 + self._tape.below(NOISE)
        return self.now


def compare(delay):
    """Time a client that takes so many nanoseconds more for an owner; gives all rows."""
    clock = Clock()

    class Slow(ToyClient):
        """Takes its time by the owner."""

        def open(self):
            clock.now += delay(self.world.personal)
            return super().open()

    ground = plan_ground(ToyClient, 0)
    timed = time_polls(Slow, ground, SAMPLES, clock.read, lambda *_: None)
    return {row.test: row for row in compare_clocks(*timed)}


def bit(owner):
    """Give a bit of an owner: for the two that are timed it is not the same."""
    return int(owner.android_id[-1], 16) % 2


def test_a_delay_that_tells_a_bit_of_the_owner_is_found():
    """Where it is more than the rows say that they can see: in its mean and its distribution.

    A twentieth of a microsecond is not found, and the rows do not promise it.
    """
    for nanoseconds in (1_000, 20_000):
        with case(nanoseconds):
            rows = compare(lambda owner, slower=nanoseconds: slower * bit(owner))
            mean = rows["until the first byte: mean"]
            assert float(mean.smallest_effect.removesuffix(" us later")) < nanoseconds / 1_000
            assert not mean.passed
            assert not rows["until the first byte: distribution"].passed
            assert mean.samples == 2 * SAMPLES
    ground = plan_ground(ToyClient, 0)
    assert {bit(ground.owner(0)), bit(ground.owner(1))} == {0, 1}
    assert all(row.passed for row in compare(lambda owner: 50 * bit(owner)).values())


def test_a_clean_client_passes():
    """As slow for one as for the other, which is no difference; the power is stated."""
    rows = compare(lambda _: 20_000)
    assert all(row.passed for row in rows.values())
    # Uniform noise of 2 us has a deviation of 0.58 us, and 5.9 of that of a difference of two
    # means of 150 are 5.9 * 0.58 * sqrt(2 / 150) = 0.39 us.
    said = rows["until the first byte: mean"].smallest_effect
    assert 0.35 <= float(said.removesuffix(" us later")) <= 0.44
