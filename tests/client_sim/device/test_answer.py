import pytest

from client_sim.device.answer import Pace
from client_sim.device.errors import TransportError


class Clock:
    """A clock that a test moves."""

    seconds = 1_000.0

    def __call__(self):
        """Return the time."""
        return self.seconds


def _watch(seconds=100.0):
    clock = Clock()
    return clock, Pace(clock, seconds)


def test_the_first_half_minute_may_be_silent():
    """Thirty seconds without a byte are a slow network."""
    clock, pace = _watch()
    clock.seconds += 30
    pace.check(0)


@pytest.mark.parametrize(("data", "refused"), [(10_240, False), (10_239, True)])
def test_after_it_a_kibibyte_a_second_has_to_come(data, refused):
    """Forty seconds: ten of them count."""
    clock, pace = _watch()
    clock.seconds += 40
    if refused:
        with pytest.raises(TransportError, match="too slowly"):
            pace.check(data)
    else:
        pace.check(data)


def test_bytes_count_together():
    """It is the average that counts, so a burst pays for a pause."""
    clock, pace = _watch()
    pace.check(20_000)
    clock.seconds += 49
    pace.check(1)
    clock.seconds += 1
    with pytest.raises(TransportError, match="too slowly"):
        pace.check(1)


def test_however_fast_it_has_to_end():
    """An answer that never ends is stopped at its total time."""
    clock, pace = _watch(100.0)
    clock.seconds += 100
    pace.check(1_000_000)
    clock.seconds += 1
    with pytest.raises(TransportError, match="too long"):
        pace.check(1_000_000)


def test_a_clock_that_is_put_back_is_no_reason():
    """The phone's clock may be corrected while an answer comes."""
    clock, pace = _watch()
    clock.seconds -= 10_000
    pace.check(0)
