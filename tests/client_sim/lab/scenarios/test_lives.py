"""Random lives."""

from client_sim.lab.scenarios.driving import EVENTS_2014, POLL
from client_sim.lab.scenarios.lives import (
    TWO_YEARS,
    busy_life,
    drawer,
    eventful_end,
    idle,
    overslept,
    random_life,
    shuffled_story,
    with_burst,
    with_restarts,
    without_events,
)
from client_sim.tape import Tape


def test_a_life_has_its_polls_and_begins_with_one():
    """As many as were asked for, whatever else happens."""
    for seed in range(50):
        life = random_life(Tape(seed), 4)
        assert life.steps.count(POLL) == 4
        assert (life.steps[0], life.steps[-1]) == (POLL, POLL)


def test_the_same_seed_gives_the_same_life():
    """And another gives another."""
    assert random_life(Tape(7), 9) == random_life(Tape(7), 9)
    assert len({random_life(Tape(seed), 9).steps for seed in range(20)}) == 20


def test_a_shuffled_story_has_every_event_of_2014_in_some_order():
    """None is left out, none comes twice, and they stand between the first and the last poll."""
    orders = set()
    for seed in range(30):
        steps = shuffled_story(Tape(seed), 3).steps
        assert (steps[0], steps[-1]) == (POLL, POLL)
        happened = tuple(step for step in steps if step in EVENTS_2014)
        assert sorted(happened) == sorted(EVENTS_2014)
        orders.add(happened)
    assert len(orders) == 30


def test_in_a_busy_life_each_event_is_in_about_half_of_the_intervals():
    """In an order that is drawn; no interval has one twice."""
    lives = [busy_life(Tape(seed), 4).steps for seed in range(40)]
    assert all(steps.count(POLL) == 4 for steps in lives)
    for event in EVENTS_2014:
        assert 40 < sum(steps.count(event) for steps in lives) < 80
        assert {steps.count(event) for steps in lives} == {0, 1, 2, 3}
    assert len({*lives}) == 40


def test_a_burst_is_one_event_again_and_again():
    """Each kind has its turn; it comes four to forty times in a row, between two polls."""
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


def test_an_eventful_end_comes_after_quiet_polls():
    """All events in an order that is drawn, none before."""
    lives = [eventful_end(20, 3, Tape(seed)).steps for seed in range(9)]
    assert {steps[:20] for steps in lives} == {(POLL,) * 20}
    assert {steps[-3:] for steps in lives} == {(POLL,) * 3}
    assert all(sorted(steps[20:-3]) == sorted({*steps} - {POLL}) for steps in lives)
    assert len({*lives}) == 9


def test_without_events_leaves_polls_alone():
    """A restart is part of an owner's life, as all else that happens."""
    story = shuffled_story(Tape(3), 3)
    still = without_events(story)
    assert still.steps == (POLL,) * story.steps.count(POLL)


def test_restarts_are_added_behind_the_first_poll():
    """One to eight of them, and nothing is lost."""
    story = shuffled_story(Tape(3), 3)
    counts = set()
    for seed in range(40):
        steps = with_restarts(story, Tape(seed)).steps
        assert steps[0] == POLL
        counts.add(steps.count("reboot") - story.steps.count("reboot"))
        assert [s for s in steps if s != "reboot"] == [s for s in story.steps if s != "reboot"]
    assert counts == set(range(1, 9))


def test_the_last_poll_of_an_overslept_life_comes_when_no_draw_says():
    """Later than the longest intervals lead."""
    assert overslept(3).steps == (POLL, POLL, "at 86400", POLL)


def test_idle_and_drawer():
    """Polls alone; and two years, which are 730 days, between two halves."""
    assert idle(3).steps == (POLL, POLL, POLL)
    assert TWO_YEARS == 730 * 86_400
    steps = drawer(2, Tape(1)).steps
    assert [step for step in steps if step == POLL] == [POLL] * 10
    days = [int(step.removeprefix("off ")) / 86_400 for step in steps if step != POLL]
    for length, (least, most) in zip(days, ((1, 7), (7, 30), (30, 400), (730, 930)), strict=True):
        assert least <= length < most
    assert drawer(2, Tape(1)) == drawer(2, Tape(1)) != drawer(2, Tape(2))
