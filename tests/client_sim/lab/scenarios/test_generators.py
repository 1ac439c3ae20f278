"""Random scenarios, and scenarios of crossed conditions."""

from client_sim.lab.scenarios.driving import EVENTS_2014, POLL, RENEWAL
from client_sim.lab.scenarios.generators import (
    EVENT_SETS,
    POLLS,
    TWO_YEARS,
    busy_scenario,
    crossed_scenario,
    events_at_end,
    idle,
    late_last_poll,
    power_offs,
    random_scenario,
    shuffled_story,
    with_burst,
    with_idle_steps,
    with_restarts,
    without_events,
)
from client_sim.tape import Tape
from tests.cases import case


def test_random_life():
    """It has the given number of polls, begins and ends with one, and is determined by its seed."""
    for seed in range(50):
        life = random_scenario(Tape(seed), 4)
        assert life.steps.count(POLL) == 4
        assert (life.steps[0], life.steps[-1]) == (POLL, POLL)
    assert random_scenario(Tape(7), 9) == random_scenario(Tape(7), 9)
    assert len({random_scenario(Tape(seed), 9).steps for seed in range(20)}) == 20


def test_shuffled_story_has_every_event_of_2014_once():
    """In random order, between the first and the last poll."""
    orders = set()
    for seed in range(30):
        steps = shuffled_story(Tape(seed), 3).steps
        assert (steps[0], steps[-1]) == (POLL, POLL)
        happened = tuple(step for step in steps if step in EVENTS_2014)
        assert sorted(happened) == sorted(EVENTS_2014)
        orders.add(happened)
    assert len(orders) == 30


def test_busy_life_has_each_event_in_about_half_of_the_intervals():
    """In random order, and at most once in an interval."""
    lives = [busy_scenario(Tape(seed), 4).steps for seed in range(40)]
    assert all(steps.count(POLL) == 4 for steps in lives)
    for event in EVENTS_2014:
        assert 40 < sum(steps.count(event) for steps in lives) < 80
        assert {steps.count(event) for steps in lives} == {0, 1, 2, 3}
    assert len({*lives}) == 40


def test_burst_is_one_event_many_times():
    """Four to forty times between two polls; consecutive numbers have different kinds."""
    kinds = set()
    for number in range(30):
        steps = with_burst(idle(3), number, Tape(number)).steps
        (kind,) = {*steps} - {POLL}
        kinds.add(kind)
        count = steps.count(kind)
        first = steps.index(kind)
        assert 4 <= count <= 40
        assert steps == (*(POLL,) * first, *(kind,) * count, *(POLL,) * (3 - first))
        assert first in {1, 2}
    assert len(kinds) == 15


def test_eventful_end_comes_after_quiet_polls():
    """It has all events once, in random order."""
    lives = [events_at_end(20, 3, Tape(seed)).steps for seed in range(9)]
    assert {steps[:20] for steps in lives} == {(POLL,) * 20}
    assert {steps[-3:] for steps in lives} == {(POLL,) * 3}
    assert all(sorted(steps[20:-3]) == sorted({*steps} - {POLL}) for steps in lives)
    assert len({*lives}) == 9


def test_restarts_are_added_after_the_first_poll():
    """One to eight of them; all other steps remain."""
    story = shuffled_story(Tape(3), 3)
    counts = set()
    for seed in range(40):
        steps = with_restarts(story, Tape(seed)).steps
        assert steps[0] == POLL
        counts.add(steps.count("reboot") - story.steps.count("reboot"))
        assert [s for s in steps if s != "reboot"] == [s for s in story.steps if s != "reboot"]
    assert counts == set(range(1, 9))


def test_without_events_only_polls_remain():
    """Restarts are removed as well."""
    story = shuffled_story(Tape(3), 3)
    assert without_events(story).steps == (POLL,) * story.steps.count(POLL)


def test_idle_and_overslept():
    """Polls only; the last poll can be a day late."""
    assert idle(3).steps == (POLL, POLL, POLL)
    assert late_last_poll(3).steps == (POLL, POLL, "at 86400", POLL)


def test_drawer():
    """A phone that is switched off for days, weeks, months, and two years or more."""
    assert TWO_YEARS == 730 * 86_400
    steps = power_offs(Tape(1)).steps
    assert [step for step in steps if step == POLL] == [POLL] * 10
    days = [int(step.removeprefix("off ")) / 86_400 for step in steps if step != POLL]
    for length, (least, most) in zip(days, ((1, 7), (7, 30), (30, 400), (730, 930)), strict=True):
        assert least <= length < most
    assert power_offs(Tape(1)) == power_offs(Tape(1)) != power_offs(Tape(2))


ROW = {
    "life": "everything",
    "restart": "in each interval",
    "reset": "late",
    "power off": "weeks",
    "clock back": "hours",
}
QUIET = dict.fromkeys(ROW, "none") | {"life": "quiet"}
DAY = 86_400


def test_life_of_crossed_conditions():
    """It has each event and every condition of its row; the first event is in the first interval.

    A quiet life has polls only. The tape determines the life.
    """
    steps = crossed_scenario(ROW, Tape(1)).steps
    assert steps.count("poll") == POLLS
    counts = {steps.count(kind) for kind in EVENT_SETS["everything"]}
    assert min(counts) == 1 < max(counts) < POLLS
    assert steps.count("reboot") == POLLS - 1
    assert steps[: steps.index("factory-reset")].count("poll") == 4
    second = steps.index("poll", 1)
    assert {*steps[:second]} & {*EVENT_SETS["everything"]}
    (off,) = (float(step.removeprefix("off ")) for step in steps if step.startswith("off "))
    (back,) = (float(step.removeprefix("back ")) for step in steps if step.startswith("back "))
    assert 7 * DAY <= off < 29 * DAY
    assert 600 <= back < DAY
    assert crossed_scenario(QUIET, Tape(1)).steps == ("poll",) * POLLS
    assert crossed_scenario(ROW, Tape(3)) == crossed_scenario(ROW, Tape(3))
    assert crossed_scenario(ROW, Tape(3)) != crossed_scenario(ROW, Tape(4))


def test_hushed_life_has_as_many_steps():
    """Events and restarts are replaced; a reset, also of the process, and clock changes remain."""
    for life in EVENT_SETS:
        with case(life):
            eventful = crossed_scenario(ROW | {"life": life}, Tape(2))
            silent = with_idle_steps(eventful)
            assert len(silent.steps) == len(eventful.steps)
            kinds = {step if step == RENEWAL else step.partition(" ")[0] for step in silent.steps}
            assert kinds == {"poll", "nothing", RENEWAL, "off", "back"}
            assert with_idle_steps(silent).steps == silent.steps
