"""Random lives of a phone: what happens, in which order, between which polls."""

from typing import Final

from client_sim.lab.scenarios.driving import AT, OFF, POLL, REBOOT, Scenario
from client_sim.owner_events.events import EVERYDAY, KINDS_2014
from client_sim.tape import Tape

_EVENTS: Final = tuple(kind.value for kind in (*KINDS_2014, *EVERYDAY))
_HAPPENINGS: Final = (*_EVENTS, REBOOT)
_LONGEST: Final = 28_800
TWO_YEARS: Final = 63_072_000
"""Seconds that a phone lies in a drawer at least."""
_DAY: Final = 86_400


def random_life(tape: Tape, polls: int) -> Scenario:
    """Draw a life with so many polls and up to five events before each but the first."""
    steps = [POLL]
    for _ in range(polls - 1):
        steps += [tape.pick(_HAPPENINGS) for _ in range(tape.below(6))]
        steps.append(POLL)
    return Scenario(f"a random life with {polls} polls", tuple(steps))


def shuffled_story(tape: Tape, polls: int) -> Scenario:
    """Draw an order of all that was staged in 2014 and of everyday life, between so many polls."""
    left = list(_HAPPENINGS)
    steps = [POLL]
    while left:
        steps.append(left.pop(tape.below(len(left))))
    for _ in range(polls - 1):
        steps.insert(1 + tape.below(len(steps)), POLL)
    return Scenario("the events of 2014 and everyday life in a random order", (*steps, POLL))


def busy_life(tape: Tape, polls: int) -> Scenario:
    """Draw a life in which each event happens in about half of the intervals between polls."""
    steps = [POLL]
    for _ in range(polls - 1):
        gap = [event for event in _HAPPENINGS if tape.below(2)]
        while gap:
            steps.append(gap.pop(tape.below(len(gap))))
        steps.append(POLL)
    return Scenario(f"a busy life with {polls} polls", tuple(steps))


def with_burst(scenario: Scenario, number: int, tape: Tape) -> Scenario:
    """Add one kind of event, by the number, four to forty times in a row between two polls."""
    kind = _EVENTS[number % len(_EVENTS)]
    polls = [place for place, step in enumerate(scenario.steps) if step == POLL]
    place = tape.pick(polls[:-1]) + 1
    burst = (kind,) * (4 + tape.below(37))
    steps = (*scenario.steps[:place], *burst, *scenario.steps[place:])
    return Scenario(f"{scenario.name}, and {kind} again and again", steps)


def eventful_end(quiet: int, polls: int, tape: Tape) -> Scenario:
    """Return so many polls without an event, then each event once, and so many polls more."""
    left = list(_EVENTS)
    last = [left.pop(tape.below(len(left))) for _ in range(len(left))]
    steps = (*(POLL,) * quiet, *last, *(POLL,) * polls)
    return Scenario(f"{quiet} quiet polls, a day with all events, {polls} polls", steps)


def without_events(scenario: Scenario) -> Scenario:
    """Return the same polls with nothing in between, and no restart either."""
    kept = tuple(step for step in scenario.steps if step == POLL)
    return Scenario(f"{scenario.name}, without events", kept)


def with_restarts(scenario: Scenario, tape: Tape) -> Scenario:
    """Add up to eight restarts at random places after the first step."""
    steps = list(scenario.steps)
    for _ in range(1 + tape.below(8)):
        steps.insert(1 + tape.below(len(steps) - 1), REBOOT)
    return Scenario(f"{scenario.name}, restarted often", tuple(steps))


def overslept(polls: int) -> Scenario:
    """Return polls of which the last comes at a fixed time, whatever was drawn before."""
    steps = (*((POLL,) * (polls - 1)), f"{AT}{_LONGEST * polls}", POLL)
    return Scenario(f"{polls} polls, the last of them late", steps)


def broken(polls: int, step: str) -> Scenario:
    """Return so many polls, a power-off or the like, and two polls more."""
    return Scenario(f"{polls} polls before {step}", (*(POLL,) * polls, step, POLL, POLL))


def idle(polls: int) -> Scenario:
    """Return polls without events."""
    return Scenario(f"{polls} idle polls", (POLL,) * polls)


def drawer(polls: int, tape: Tape) -> Scenario:
    """Return polls around power-offs: some days, some weeks, some months, and over two years.

    How long each of them takes is drawn.
    """
    lengths = (
        _DAY + tape.below(6 * _DAY),
        7 * _DAY + tape.below(23 * _DAY),
        30 * _DAY + tape.below(370 * _DAY),
        TWO_YEARS + tape.below(200 * _DAY),
    )
    steps = (POLL,) * polls
    for length in lengths:
        steps += (f"{OFF}{length}", *(POLL,) * polls)
    return Scenario("power-offs from days to years", steps)
