"""Reduction of failing cases."""

from dataclasses import replace

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.batteries.personal import events
from client_sim.lab.programme.case import Case, judge_same_polls, judge_same_trace
from client_sim.lab.programme.setting import Setting
from client_sim.lab.programme.shrink import shrink
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.scenarios.driving import STORY
from client_sim.lab.scenarios.generators import without_events
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.memory import Entropy
from client_sim.persona import make_persona
from tests.cases import case


def make_case(public, judge=judge_same_trace):
    """Make a case of two owners with the same long scenario."""
    setting = Setting(public, make_persona(1), Entropy(b"e"), 1e9, lambda: respond, STORY)
    return Case((setting, replace(setting, personal=make_persona(2))), judge)


class SerialAfterRestart(ToyClient):
    """Sends the serial number in a header after a restart."""

    def __init__(self, world):
        super().__init__(world)
        self.again = "started" in world.state
        world.state["started"] = b"1"

    def headers(self):
        """Write the header lines."""
        lines = (f"X-Serial: {self.world.personal.serial}",) if self.again else ()
        return (*super().headers(), *lines)


class ResolvingOnCalls(ToyClient):
    """Resolves a name when a call comes."""

    def on_event(self, event):
        """Resolve the name."""
        if event.name == "call-received":
            self.world.resolve("calls.example.org")


def test_case_is_reduced_to_what_the_leak_needs(public):
    """Of 22 steps, a restart and a poll; of 26 fields, the leaked one, also with three owners."""
    small = shrink(SerialAfterRestart, make_case(public))
    assert small.steps == ("reboot", "poll")
    assert small.fields == ("serial",)
    pair = make_case(public)
    third = replace(pair.settings[1], personal=make_persona(3))
    small = shrink(SerialAfterRestart, replace(pair, settings=(*pair.settings, third)))
    assert small.steps == ("reboot", "poll")
    assert small.fields == ("serial",)


def test_leak_that_does_not_depend_on_the_owner(public):
    """A leaked random number needs no field of the owner."""

    class RandomHeader(ToyClient):
        def headers(self):
            return (*super().headers(), f"X-Number: {self.world.entropy(8).hex()}")

    first, second = make_case(public).settings
    pair = (first, replace(second, entropy=Entropy(b"other")))
    assert shrink(RandomHeader, Case(pair, judge_same_trace)).fields == ()


def test_runs_with_different_steps_are_not_reduced(public):
    """If the steps are compared, none is removed."""
    first, _ = make_case(public).settings
    pair = (first, replace(first, scenario=without_events(STORY)))
    small = shrink(ResolvingOnCalls, Case(pair, judge_same_polls))
    assert small.steps == STORY.steps
    assert small.fields == ()


class HeaderAfterMessage(ToyClient):
    """Sends another header after a message."""

    def on_event(self, event):
        """Remember the message."""
        if event.name == "sms-received":
            self.world.state["message"] = b"1"

    def headers(self):
        """Write the header lines."""
        lines = ("X: 1",) if "message" in self.world.state else ()
        return (*super().headers(), *lines)


def test_silent_life_is_derived_from_the_reduced_one(public):
    """One event is left, and a poll if the leak needs it; also in a case of a battery."""
    for factory, steps in (
        (HeaderAfterMessage, ("sms-received", "poll")),
        (ResolvingOnCalls, ("call-received",)),
    ):
        with case(factory, steps):
            first, _ = make_case(public).settings
            pair = (first, replace(first, scenario=without_events(STORY)))
            small = shrink(factory, Case(pair, judge_same_polls, derive=without_events))
            assert small.steps == steps
            assert small.fields == ()
    longer = events(plan_testbed(HeaderAfterMessage, 0), 2).make(1)
    assert len(longer.settings[0].scenario.steps) > 15
    assert shrink(HeaderAfterMessage, longer).steps == ("sms-received", "poll")


def test_case_that_does_not_fail_again_is_not_reduced(public):
    """`shrink` returns None for it."""
    assert shrink(ToyClient, make_case(public)) is None
