"""A failing case is made small."""

from dataclasses import replace

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.batteries.personal import events
from client_sim.lab.programme.case import Case, judge_same_polls, judge_same_trace
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.setting import Setting
from client_sim.lab.programme.shrink import shrink
from client_sim.lab.scenarios.driving import STORY
from client_sim.lab.scenarios.lives import without_events
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.memory import Entropy
from client_sim.persona import make_persona
from tests.cases import case


def case_of(public, judge=judge_same_trace):
    """Two owners with the same long life."""
    setting = Setting(public, make_persona(1), Entropy(b"e"), 1e9, lambda: respond, STORY)
    return Case((setting, replace(setting, personal=make_persona(2))), judge)


class TellsSerialAfterRestart(ToyClient):
    """Says the serial number in a header once it was started a second time."""

    def __init__(self, world):
        super().__init__(world)
        self.again = "started" in world.state
        world.state["started"] = b"1"

    def headers(self):
        """Write the header lines."""
        told = (f"X-Serial: {self.world.personal.serial}",) if self.again else ()
        return (*super().headers(), *told)


class TellsOfCalls(ToyClient):
    """Asks for a name when a call comes."""

    def on_event(self, event):
        """Hear of something."""
        if event.name == "call-received":
            self.world.resolve("calls.example.org")


def test_what_is_left_is_what_the_leak_needs(public):
    """Of 22 steps a restart and a poll; of 26 fields the one that is told.

    A fleet of three differs in 26 fields, too, of which the serial number is enough.
    """
    small = shrink(TellsSerialAfterRestart, case_of(public))
    assert small.steps == ("reboot", "poll")
    assert small.fields == ("serial",)
    assert b"X-Serial: " in small.finding.data
    pair = case_of(public)
    third = replace(pair.settings[1], personal=make_persona(3))
    small = shrink(TellsSerialAfterRestart, replace(pair, settings=(*pair.settings, third)))
    assert small.steps == ("reboot", "poll")
    assert small.fields == ("serial",)


def test_what_no_owner_has_to_do_with_needs_no_field(public):
    """Phones that draw a number tell themselves apart, though all have one owner."""

    class TellsANumber(ToyClient):
        def headers(self):
            return (*super().headers(), f"X-Number: {self.world.entropy(8).hex()}")

    first, second = case_of(public).settings
    pair = (first, replace(second, entropy=Entropy(b"other")))
    assert shrink(TellsANumber, Case(pair, judge_same_trace)).fields == ()


def test_runs_that_differ_in_their_steps_are_left_as_they_are(public):
    """There the steps are what is compared."""
    first, _ = case_of(public).settings
    pair = (first, replace(first, scenario=without_events(STORY)))
    small = shrink(TellsOfCalls, Case(pair, judge_same_polls))
    assert small.steps == STORY.steps
    assert small.fields == ()


class TellsOfMessages(ToyClient):
    """Sends a second header once a message came."""

    def on_event(self, event):
        """Hear of something."""
        if event.name == "sms-received":
            self.world.state["message"] = b"1"

    def headers(self):
        """Write the header lines."""
        told = ("X: 1",) if "message" in self.world.state else ()
        return (*super().headers(), *told)


def test_a_still_life_is_derived_again_from_the_smaller_one(public):
    """Of 22 steps the one event is left, and a poll where it shows in one; of a battery's, too."""
    for factory, steps in (
        (TellsOfMessages, ("sms-received", "poll")),
        (TellsOfCalls, ("call-received",)),
    ):
        with case(factory, steps):
            first, _ = case_of(public).settings
            pair = (first, replace(first, scenario=without_events(STORY)))
            small = shrink(factory, Case(pair, judge_same_polls, derive=without_events))
            assert small.steps == steps
            assert small.fields == ()
    longer = events(plan_ground(TellsOfMessages, 0), 2).make(1)
    assert len(longer.settings[0].scenario.steps) > 15
    assert shrink(TellsOfMessages, longer).steps == ("sms-received", "poll")


def test_what_does_not_repeat_is_not_made_small(public):
    """A case that shows nothing when it is run again gives nothing."""
    assert shrink(ToyClient, case_of(public)) is None
