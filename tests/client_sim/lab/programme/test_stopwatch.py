"""Polls that are timed over sockets: a delay that tells an owner is found, by a clock of its own.

The clock is turned by hand, so that the numbers are the same everywhere: it moves a little at each
look, by chance, and by what a client says that it took.
"""

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.stopwatch import time_polls
from client_sim.lab.programme.wall_clock import compare_clocks
from client_sim.tape import Tape
from tests.cases import case

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
