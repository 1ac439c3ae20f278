"""A scenario moves the clock, tells the events, and notes phases and crashes."""

import os
import sys
from itertools import pairwise

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.errors import ClientOverdueError
from client_sim.lab.scenarios.driving import (
    EVENTS_2014,
    POLL,
    STORY_2014,
    Scenario,
    make_event,
    run_scenario,
)
from client_sim.lab.trace.observation import Channel
from client_sim.persona import make_persona

OWNER = make_persona(3)


class Listener(ToyClient):
    """Keeps what it is told and when, over reboots."""

    told = ()

    def on_event(self, event):
        """Keep the event."""
        type(self).told += ((self.world.now(), event),)


@pytest.fixture
def world(make_world):
    """Make a world for the owner."""
    return make_world(OWNER, b"seed", 1000.0)


def test_events_happen_between_polls_and_tell_the_truth(world):
    """All twelve events come in order, at growing times, with the owner's own data.

    A scenario is a closed list: unknown events do not exist.
    """
    Listener.told = ()
    seen = run_scenario(Listener, world, STORY_2014, OWNER)
    times = [at for at, _ in Listener.told]
    assert [event.name for _, event in Listener.told] == list(EVENTS_2014)
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert dict(Listener.told[3][1].details)["number"] == OWNER.contacts[0].number
    polls = [d for d in seen.departures if d.channel is Channel.SCHEDULE]
    assert [d.phase for d in polls] == ["poll 1", "poll 2", "poll 3", "poll 4"]
    for before, after in pairwise(polls):
        assert after.at == float(before.data)
        assert 14_400 <= after.at - before.at <= 28_800
    with pytest.raises(KeyError):
        make_event("sunrise", OWNER)


def test_a_phone_can_oversleep_to_a_time_that_nobody_drew(world):
    """The poll comes so long behind the start, if its own time is over by then; else it waits."""
    steps = (POLL, "at 40000", POLL, "at 40001", POLL)
    seen = run_scenario(ToyClient, world, Scenario("late", steps), OWNER)
    first, second, third = (d for d in seen.departures if d.channel is Channel.SCHEDULE)
    assert float(first.data) < 41_000.0
    assert second.at == 41_000.0
    assert third.at == float(second.data)


def test_a_client_is_asked_again_after_each_event_and_start(world):
    """What it says then counts, and stands in the trace where it is another time than before."""

    class Forgetful(ToyClient):
        def on_event(self, _event):
            self.world.state.clear()

    steps = (POLL, "reboot", "sms-sent", "nothing", POLL, POLL)
    seen = run_scenario(Forgetful, world, Scenario("asked", steps), OWNER)
    first, again, second, _ = (
        d for d in seen.departures if d.channel in {Channel.SCHEDULE, Channel.DUE}
    )
    assert (again.channel, again.phase) == (Channel.DUE, "step 3 sms-sent")
    assert again.data != first.data
    assert second.at == float(again.data)


def test_a_client_that_keeps_its_due_time_says_it_once(world):
    """Restarts and events leave no trace where the answer stays the same."""
    steps = (POLL, "reboot", "sms-sent", "off 60", POLL)
    seen = run_scenario(ToyClient, world, Scenario("kept", steps), OWNER)
    assert not [d for d in seen.departures if d.channel is Channel.DUE]


def test_a_reset_phone_draws_anew_and_its_clock_may_go_back(make_world):
    """Nothing is kept over a reset; a clock that was set back by days leads to another draw."""
    world = make_world(OWNER, b"seed", 1_000_000.0)
    steps = (POLL, "factory-reset", POLL, "back 3600", POLL, "back 90000", POLL)
    seen = run_scenario(ToyClient, world, Scenario("reset", steps), OWNER)
    dues = [d for d in seen.departures if d.channel is Channel.DUE]
    assert [d.phase for d in dues] == ["step 2 factory-reset", "step 6 back 90000"]
    assert all(14_400 <= float(d.data) - d.at <= 28_800 for d in dues)
    polls = [d for d in seen.departures if d.channel is Channel.SCHEDULE]
    assert polls[1].at == float(dues[0].data)
    assert polls[2].at == float(polls[1].data)
    assert polls[3].at == float(dues[1].data) < polls[2].at


def test_a_client_that_does_not_come_back_is_one_sentence(world):
    """It says where the client hangs and after how long it was given up.

    On a busy machine it may get no processor time meanwhile, which counts as waiting.
    """

    class Waiting(ToyClient):
        def poll(self):
            while True:  # a pause would be refused
                pass

    scenario = Scenario("two polls", (POLL, POLL))
    said = r"two polls, in poll 1\): it (used|waited for) 0\.05 seconds"
    with pytest.raises(ClientOverdueError, match=said):
        run_scenario(Waiting, world, scenario, OWNER, patience=0.05)


def test_what_a_client_does_ends_the_run_alone(make_world):
    """Who examines a client is not to end with status 0 because the client says so.

    No interval can be measured to infinity, either; the exception's name is part of the trace.
    """
    for act, name in (
        (lambda _now: sys.exit(0), b"SystemExit"),
        (lambda _now: os._exit(0), b"SystemExit"),
        (lambda _now: 1 / 0, b"ZeroDivisionError"),
        *((lambda now, due=due: now + float(due), b"ValueError") for due in ("inf", "-inf", "nan")),
    ):

        class Leaving(ToyClient):
            def next_poll(self, now, act=act):
                return act(now)

        world = make_world(OWNER, b"seed", 1000.0)
        seen = run_scenario(Leaving, world, Scenario("two polls", (POLL, POLL)), OWNER)
        assert (seen.departures[-1].channel, seen.departures[-1].data) == (Channel.CRASH, name)
        assert not [d for d in seen.departures if d.channel is Channel.SCHEDULE]
    world = make_world(OWNER, b"seed", 1000.0)
    seen = run_scenario(lambda _world: 1 / 0, world, Scenario("one poll", (POLL,)), OWNER)
    (crash,) = seen.departures
    assert (crash.channel, crash.data) == (Channel.CRASH, b"ZeroDivisionError")
