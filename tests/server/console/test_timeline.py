"""The picture of a schedule: a staircase up to now, and one after it."""

from server.console.timeline import draw

HOUR = 3600


def test_between_two_steps():
    """Drawn by hand, in a picture that is 1000 wide and 100 high."""
    # First step at 1 h, last at 9 h, so an hour is shown on either side: 10 h are 1000 wide.
    timeline = draw([(HOUR, 100), (5 * HOUR, 500), (9 * HOUR, 1000)], 6 * HOUR)
    assert (timeline.begin, timeline.end, timeline.now) == (0, 10 * HOUR, 600)
    assert timeline.past == "100,100 100,100 100,90 500,90 500,50 600,50 600,100"
    assert timeline.future == "600,100 600,100 600,50 900,50 900,0 1000,0 1000,100"
    assert [stage.is_past for stage in timeline.stages] == [True, True, False]
    assert timeline.next is not None
    assert timeline.next.permille == 1000


def test_before_the_first_step():
    """Nothing was reached: there is only what is to come."""
    timeline = draw([(9 * HOUR, 1000)], HOUR)
    assert timeline.past == ""
    assert timeline.future == "100,100 100,100 100,100 900,100 900,0 1000,0 1000,100"


def test_what_is_frozen_has_no_future():
    """A paused or halted roll-out goes nowhere, and the picture ends soon after now."""
    timeline = draw([(HOUR, 100), (99 * HOUR, 1000)], 9 * HOUR, is_frozen=True)
    assert (timeline.begin, timeline.end, timeline.now) == (0, 10 * HOUR, 900)
    assert timeline.future == ""
    assert timeline.next is None


def test_one_step_that_is_now():
    """A single step has an hour on either side, and no division by nothing."""
    timeline = draw([(HOUR, 1000)], HOUR)
    assert (timeline.begin, timeline.end, timeline.now) == (0, 2 * HOUR, 500)
