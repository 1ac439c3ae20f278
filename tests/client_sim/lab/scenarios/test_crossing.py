"""Lives of crossed conditions have what their row says, each at the same time in silence."""

import pytest

from client_sim.lab.scenarios.crossing import LIVES, POLLS, cross_life, hushed
from client_sim.lab.scenarios.driving import RENEWAL
from client_sim.tape import Tape

ROW = {
    "life": "everything",
    "restart": "in each interval",
    "reset": "late",
    "power off": "weeks",
    "clock back": "hours",
}
QUIET = dict.fromkeys(ROW, "none") | {"life": "quiet"}
DAY = 86_400


def test_a_life_has_each_event_and_what_else_its_row_says():
    """The first event comes in the first interval, so that what waits for it may follow."""
    steps = cross_life(ROW, Tape(1)).steps
    assert steps.count("poll") == POLLS
    counts = {steps.count(kind) for kind in LIVES["everything"]}
    assert min(counts) == 1 < max(counts) < POLLS
    assert steps.count("reboot") == POLLS - 1
    assert steps[: steps.index("factory-reset")].count("poll") == 4
    second = steps.index("poll", 1)
    assert {*steps[:second]} & {*LIVES["everything"]}
    (off,) = (float(step.removeprefix("off ")) for step in steps if step.startswith("off "))
    (back,) = (float(step.removeprefix("back ")) for step in steps if step.startswith("back "))
    assert 7 * DAY <= off < 29 * DAY
    assert 600 <= back < DAY


def test_a_quiet_life_is_idle():
    """Nothing but polls."""
    assert cross_life(QUIET, Tape(1)).steps == ("poll",) * POLLS


@pytest.mark.parametrize("life", LIVES)
def test_in_silence_time_passes_alike(life):
    """Events and restarts are left out, and as many steps remain; what changes a phone remains.

    A reset takes what its process kept, too.
    """
    lived = cross_life(ROW | {"life": life}, Tape(2))
    silent = hushed(lived)
    assert len(silent.steps) == len(lived.steps)
    left = {step if step == RENEWAL else step.partition(" ")[0] for step in silent.steps}
    assert left == {"poll", "nothing", RENEWAL, "off", "back"}
    assert hushed(silent).steps == silent.steps


def test_what_is_drawn_is_the_same_for_the_same_tape():
    """And another day for another."""
    assert cross_life(ROW, Tape(3)) == cross_life(ROW, Tape(3))
    assert cross_life(ROW, Tape(3)) != cross_life(ROW, Tape(4))
