"""N1: what leaves a phone does not depend on its owner, or on what happens to the owner."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from client_sim.countries import COUNTRIES, settle
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.case import (
    Battery,
    Case,
    judge_same_bytes,
    judge_same_polls,
    judge_same_trace,
)
from client_sim.lab.programme.setting import Setting
from client_sim.lab.programme.testbed import HUNDRED_DAYS, Testbed
from client_sim.lab.scenarios.driving import STORY, Scenario
from client_sim.lab.scenarios.generators import (
    events_at_end,
    power_offs,
    random_scenario,
    shuffled_story,
    with_burst,
    with_restarts,
    without_events,
)
from client_sim.lab.scenarios.owners import FIELDS, SHAPES, draw_shapes, list_singles, reshape
from client_sim.lab.servers.contents import one_by_one, renew_content, renew_tables
from client_sim.lab.servers.faults_network import NETWORK
from client_sim.lab.servers.replies import wrapped
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.observation import Observation

MIXED: Final = 64
"""Owners with edge values in about half of the fields."""

_OWNERS = 8  # per case, so that a rare trait of one owner is compared with seven others
_POWERED_OFF = 7  # phones in drawers; two owners may agree in a bit, but six seldom do
_RENEWALS = one_by_one((("other tables", renew_tables), ("other content", renew_content)) * 3)
_OFFLINE_STRIDE: Final = 20  # one scenario in this many is without a network for long
_QUIET: Final = 20  # polls without events: about five days
_UNREACHED: Final = 12  # failing polls in a row: two or three days
_FAILING: Final = frozenset({"completes", "grammar", "egress"})
_OUTAGES: Final = tuple(fault for fault in NETWORK if not fault.is_reached)
_EVERYDAY = Scenario("two polls with a day's events between", STORY.steps[:14])


def personal(testbed: Testbed, size: int, owners: int = _OWNERS) -> Battery:
    """Compare `owners` random owners in each case; all other inputs are equal."""

    def make(number: int) -> Case:
        tape = testbed.tape("personal", number)
        setting = testbed.setting(
            random_scenario(tape, 2 + tape.below(2)),
            public=tape.pick(testbed.publics),
            is_secure=number % 2 == 1,
            is_private=number // 2 % 2 == 1,
            personal=testbed.owner(owners * number),
            entropy=Entropy(tape.data(8)),
            start=testbed.start + tape.below(testbed.spread),
            serve=testbed.changing(number) if tape.below(4) == 0 else testbed.quiet,
        )
        numbers = range(owners * number + 1, owners * (number + 1))
        others = (replace(setting, personal=testbed.owner(each)) for each in numbers)
        return Case((setting, *others), judge_same_trace)

    question = "Do phones of different owners leave the same trace, to the byte and the second?"
    return Battery("personal", "N1", question, size, make)


def boundary(testbed: Testbed, size: int) -> Battery:
    """Compare an ordinary owner with one who has an edge value in one field or in many.

    Each pair of fields is reshaped together in about a quarter of the owners with many such fields.
    More owners have their homes in each of the countries.
    """
    singles = list_singles()
    count = len(singles) + MIXED + len(COUNTRIES)

    @lru_cache(maxsize=2)
    def make_setting(is_secure: bool) -> Setting:
        return testbed.setting(_EVERYDAY, is_secure=is_secure)

    def make(number: int) -> Case:
        # TLS for every second shape of a field, and for the other shapes of the next field.
        setting = make_setting((number + number // len(SHAPES)) % 2 == 1)
        if number < len(singles):
            owner = reshape(setting.personal, *singles[number])
        elif number >= len(singles) + MIXED:
            owner = settle(setting.personal, number - len(singles) - MIXED)
        else:
            owner = setting.personal
            for field, shape in draw_shapes(testbed.tape("boundary", number)):
                owner = reshape(owner, field, shape)
        return Case((setting, replace(setting, personal=owner)), judge_same_trace)

    question = (
        f"Are the {len(FIELDS)} fields of an owner invisible if they are absent, empty, huge, "
        f"reversed, foreign, or equal to another, with homes in {len(COUNTRIES)} countries?"
    )
    return Battery("boundary", "N1", question, min(size, count), make)


def events(testbed: Testbed, size: int) -> Battery:
    """Compare a scenario full of events with the same polls and nothing in between.

    Each scenario has many events of one kind in a row. Some have a burst of events after days
    without any; the phone is then offline for a dozen polls.
    """

    def make(number: int) -> Case:
        if number % _OFFLINE_STRIDE == _OFFLINE_STRIDE - 1 and testbed.upstream is None:
            return _make_offline(testbed, number)
        tape = testbed.tape("events", number)
        scenario = with_burst(shuffled_story(tape, 3 + tape.below(3)), number, tape)
        if number % 2:
            scenario = with_restarts(scenario, tape)
        setting = testbed.setting(
            scenario,
            # With and without TLS for scenarios with and without restarts and publications.
            is_secure=(number // 2 + number // 4) % 2 == 1,
            personal=testbed.owner(number),
            entropy=Entropy(tape.data(8)),
            # Events could show in what a phone fetches, so some cases always publish something.
            serve=testbed.quiet if number % 4 else testbed.publishing(_RENEWALS),
        )
        quiet = replace(setting, scenario=without_events(scenario))
        return Case((setting, quiet), judge_same_polls, derive=without_events)

    question = "Are polls and their times the same, whatever happens in between, even restarts?"
    return Battery("events", "N1", question, size, make)


def _make_offline(testbed: Testbed, number: int) -> Case:
    tape = testbed.tape("events", number)
    quiet_polls = _QUIET + tape.below(10)
    scenario = events_at_end(quiet_polls, _UNREACHED + 3, tape)
    wrap = tape.pick(_OUTAGES).at(range(quiet_polls, quiet_polls + _UNREACHED))
    setting = testbed.setting(
        scenario,
        is_secure=tape.below(2) == 1,
        personal=testbed.owner(number),
        entropy=Entropy(tape.data(8)),
        serve=wrapped(testbed.quiet, wrap),
    )
    quiet = replace(setting, scenario=without_events(scenario))
    return Case((setting, quiet), judge_same_polls, _FAILING, derive=without_events)


def public(testbed: Testbed, size: int) -> Battery:
    """Compare two owners on a phone of each public tuple in turn, with and without TLS."""

    def make(number: int) -> Case:
        tape = testbed.tape("public", number)
        turn, kind = divmod(number, len(testbed.publics))
        setting = testbed.setting(
            shuffled_story(tape, 3),
            public=testbed.publics[kind],
            is_secure=(turn + kind) % 2 == 1,
            personal=testbed.owner(number),
            entropy=Entropy(tape.data(8)),
            serve=testbed.changing(number),
        )
        return Case(
            (setting, replace(setting, personal=testbed.owner(number + size))), judge_same_trace
        )

    question = f"Does the same hold for every kind of phone, {len(testbed.publics)} in all?"
    return Battery("public", "N1", question, size, make)


def horizon(testbed: Testbed, size: int) -> Battery:
    """Compare two owners over hundreds of polls, and seven whose phones lie in a drawer for years.

    Of the two owners, the first has many events in a hundred days and the other none. The phones in
    a drawer are off for days to years. One of them has other randomness than the rest.
    """

    def make(number: int) -> Case:
        long = number % 2 == 0
        setting = (
            testbed.long_setting(number)
            if long
            else testbed.setting(
                power_offs(testbed.tape("drawer", number)),
                is_secure=number % 4 == 3,
                personal=testbed.owner(number),
                entropy=Entropy(b"horizon %d" % number),
            )
        )
        places = range(1, 2 if long else _POWERED_OFF)
        owners = [testbed.owner(size + _POWERED_OFF * number + place) for place in places]
        others = [replace(setting, personal=owner) for owner in owners]
        if not long:
            others[-1] = replace(others[-1], entropy=Entropy(b"another %d" % number))
            return Case((setting, *others), _judge_powered_off)
        quiet = [replace(each, scenario=without_events(each.scenario)) for each in others]
        return Case((setting, *quiet), judge_same_polls, derive=without_events)

    question = (
        f"Does the same hold for {HUNDRED_DAYS} polls or more, and after days to years in a drawer?"
    )
    return Battery("horizon", "N1", question, size, make)


def _judge_powered_off(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Compare phones that have the same randomness, except for the last one."""
    *alike, other = observations
    return (*judge_same_trace(alike), *judge_same_bytes((observations[0], other)))
