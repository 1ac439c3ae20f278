"""Scenarios: the clock, events, due times, and clients that crash or hang."""

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
    """Records its events and their times; reboots do not clear the record."""

    heard = ()

    def on_event(self, event):
        """Record the event."""
        type(self).heard += ((self.world.now(), event),)


@pytest.fixture
def world(make_world):
    """Make a world for the owner."""
    return make_world(OWNER, b"seed", 1000.0)


def test_events_happen_between_polls(world):
    """In order, at increasing times, with the owner's data."""
    Listener.heard = ()
    seen = run_scenario(Listener, world, STORY_2014, OWNER)
    times = [at for at, _ in Listener.heard]
    assert [event.name for _, event in Listener.heard] == list(EVENTS_2014)
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert dict(Listener.heard[3][1].details)["number"] == OWNER.contacts[0].number
    polls = [d for d in seen.departures if d.channel is Channel.SCHEDULE]
    assert [d.phase for d in polls] == ["poll 1", "poll 2", "poll 3", "poll 4"]
    for before, after in pairwise(polls):
        assert after.at == float(before.data)
        assert 14_400 <= after.at - before.at <= 28_800


def test_unknown_events_are_refused():
    """There is a closed list of events."""
    with pytest.raises(KeyError):
        make_event("sunrise", OWNER)


def test_phone_can_sleep_past_its_due_time(world):
    """The poll comes at the given time after the start, or when it is due if that is later."""
    steps = (POLL, "at 40000", POLL, "at 40001", POLL)
    seen = run_scenario(ToyClient, world, Scenario("late", steps), OWNER)
    first, second, third = (d for d in seen.departures if d.channel is Channel.SCHEDULE)
    assert float(first.data) < 41_000.0
    assert second.at == 41_000.0
    assert third.at == float(second.data)


def test_due_time_is_requested_again_after_events(world):
    """The new time counts, and is in the trace if it differs from the previous one."""

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


def test_unchanged_due_time_is_not_in_the_trace(world):
    """Restarts and events leave no trace if the due time stays the same."""
    steps = (POLL, "reboot", "sms-sent", "off 60", POLL)
    seen = run_scenario(ToyClient, world, Scenario("kept", steps), OWNER)
    assert not [d for d in seen.departures if d.channel is Channel.DUE]


def test_due_time_after_a_reset_or_a_clock_set_back(make_world):
    """It is drawn again after a reset, and if the clock was set back by more than a day."""
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


def test_client_that_does_not_return_is_an_error(world):
    """The message says in which poll it hangs, and after how long it was given up.

    On a busy machine it may get no processor time, which counts as waiting.
    """

    class Waiting(ToyClient):
        def poll(self):
            while True:  # a pause would be refused
                pass

    scenario = Scenario("two polls", (POLL, POLL))
    said = r"two polls, in poll 1\): it (used|waited for) 0\.05 seconds"
    with pytest.raises(ClientOverdueError, match=said):
        run_scenario(Waiting, world, scenario, OWNER, patience=0.05)


def test_client_that_raises_or_exits_ends_only_its_run(make_world):
    """The name of the exception is part of the trace; an infinite due time is an exception."""
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
