"""Generators of scenarios with events in some order between polls.

Some are random; others combine conditions: events, restarts, a reset, a power-off, and a clock that
is set back.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

from client_sim.lab.scenarios.driving import (
    AT,
    BACK,
    NOTHING,
    OFF,
    POLL,
    REBOOT,
    RENEWAL,
    RESET,
    Scenario,
)
from client_sim.owner_events.events import EVERYDAY, KINDS_2014, Kind
from client_sim.tape import Tape

_EVENTS: Final = tuple(kind.value for kind in (*KINDS_2014, *EVERYDAY))
_STEPS: Final = (*_EVENTS, REBOOT)
_LONGEST_INTERVAL: Final = 28_800
TWO_YEARS: Final = 63_072_000
"""The minimum of the longest power-off, in seconds."""
_DAY: Final = 86_400
_Item = TypeVar("_Item")
POLLS: Final = 6
EVENT_SETS: Final[Mapping[str, tuple[Kind, ...]]] = MappingProxyType(
    {
        "talk": tuple(k for k in KINDS_2014 if k.startswith(("sms-", "mms-", "call-"))),
        "people": (Kind.SIM_INSERTED, Kind.CONTACT_ADDED, Kind.ACCOUNT_LOGIN, Kind.ACCOUNT_LOGOUT),
        "places": (Kind.WIFI_JOINED, Kind.LOCATION_ALLOWED, *EVERYDAY),
        "everything": (*KINDS_2014, *EVERYDAY),
    }
)
"""The events that a scenario of crossed conditions contains, by the name of the set."""
_HOUR: Final = 3_600
# The shortest and the longest time, in seconds; lengths between them are drawn.
_POWERLESS: Final = {
    "days": (_DAY, 6 * _DAY),
    "weeks": (7 * _DAY, 29 * _DAY),
    "months": (30 * _DAY, 400 * _DAY),
}
_ABSENCES: Final = (*_POWERLESS.values(), (TWO_YEARS, TWO_YEARS + 200 * _DAY))
_SET_BACK: Final = {"hours": (600, 23 * _HOUR), "days": (_DAY, 90 * _DAY)}
_RESETS: Final = {"early": 1, "late": 3}  # intervals, from 0
_REPLACED: Final = frozenset({REBOOT, *EVENT_SETS["everything"]})


def random_scenario(tape: Tape, polls: int) -> Scenario:
    """Draw a scenario with `polls` polls and up to five events before each but the first."""
    steps = [POLL]
    for _ in range(polls - 1):
        steps += [tape.pick(_STEPS) for _ in range(tape.below(6))]
        steps.append(POLL)
    return Scenario(f"a random life with {polls} polls", tuple(steps))


def shuffled_story(tape: Tape, polls: int) -> Scenario:
    """Return the events of 2014 and of everyday life in a random order, among `polls` + 1 polls."""
    steps = [POLL, *shuffled(_STEPS, tape)]
    for _ in range(polls - 1):
        steps.insert(1 + tape.below(len(steps)), POLL)
    return Scenario("the events of 2014 and everyday life in a random order", (*steps, POLL))


def busy_scenario(tape: Tape, polls: int) -> Scenario:
    """Draw a scenario in which each event occurs in about half of the intervals between polls."""
    steps = [POLL]
    for _ in range(polls - 1):
        steps += [*shuffled([event for event in _STEPS if tape.below(2)], tape), POLL]
    return Scenario(f"a busy life with {polls} polls", tuple(steps))


def with_burst(scenario: Scenario, number: int, tape: Tape) -> Scenario:
    """Add four to forty events of one kind, chosen by `number`, between two polls."""
    kind = _EVENTS[number % len(_EVENTS)]
    polls = [place for place, step in enumerate(scenario.steps) if step == POLL]
    place = tape.pick(polls[:-1]) + 1
    burst = (kind,) * (4 + tape.below(37))
    steps = (*scenario.steps[:place], *burst, *scenario.steps[place:])
    return Scenario(f"{scenario.name}, and {kind} again and again", steps)


def events_at_end(quiet: int, polls: int, tape: Tape) -> Scenario:
    """Return `quiet` polls without events, then each event once, and `polls` polls more."""
    steps = (*(POLL,) * quiet, *shuffled(_EVENTS, tape), *(POLL,) * polls)
    return Scenario(f"{quiet} quiet polls, a day with all events, {polls} polls", steps)


def without_events(scenario: Scenario) -> Scenario:
    """Return the same polls without events and restarts."""
    polls = tuple(step for step in scenario.steps if step == POLL)
    return Scenario(f"{scenario.name}, without events", polls)


def with_restarts(scenario: Scenario, tape: Tape) -> Scenario:
    """Add up to eight restarts at random places after the first step."""
    steps = list(scenario.steps)
    for _ in range(1 + tape.below(8)):
        steps.insert(1 + tape.below(len(steps) - 1), REBOOT)
    return Scenario(f"{scenario.name}, restarted often", tuple(steps))


def late_last_poll(polls: int) -> Scenario:
    """Return `polls` polls; the last is made at a fixed time, whatever interval was drawn."""
    steps = (*((POLL,) * (polls - 1)), f"{AT}{_LONGEST_INTERVAL * polls}", POLL)
    return Scenario(f"{polls} polls, the last of them late", steps)


def interrupted_polls(polls: int, step: str) -> Scenario:
    """Return `polls` polls, the step (such as a power-off), and two polls more."""
    return Scenario(f"{polls} polls before {step}", (*(POLL,) * polls, step, POLL, POLL))


def idle(polls: int) -> Scenario:
    """Return polls without events."""
    return Scenario(f"{polls} idle polls", (POLL,) * polls)


def power_offs(tape: Tape) -> Scenario:
    """Return pairs of polls around power-offs of days, weeks, months, and more than two years.

    The exact lengths are drawn.
    """
    lengths = (
        _DAY + tape.below(6 * _DAY),
        7 * _DAY + tape.below(23 * _DAY),
        30 * _DAY + tape.below(370 * _DAY),
        TWO_YEARS + tape.below(200 * _DAY),
    )
    steps = [POLL, POLL]
    for length in lengths:
        steps += [f"{OFF}{length}", POLL, POLL]
    return Scenario("power-offs from days to years", tuple(steps))


def crossed_scenario(row: Mapping[str, str], tape: Tape) -> Scenario:
    """Draw a scenario for a row of conditions."""
    gaps: list[list[str]] = [[] for _ in range(POLLS - 1)]
    for place, kind in enumerate(shuffled(EVENT_SETS.get(row["life"], ()), tape)):
        gaps[tape.below(len(gaps)) if place else 0].append(kind)
        # Some occur in about half of the intervals, so that they meet conditions that last.
        for gap in gaps if tape.below(2) else ():
            if kind not in gap and tape.below(2):
                gap.append(kind)
    for gap in gaps if row["restart"] == "in each interval" else ():
        gap.append(REBOOT)
    if row["restart"] == "one":
        tape.pick(gaps).append(REBOOT)
    if row["reset"] in _RESETS:
        gaps[_RESETS[row["reset"]]].append(RESET)
    for step, lengths in (
        (OFF, _POWERLESS.get(row["power off"])),
        (BACK, _SET_BACK.get(row["clock back"])),
    ):
        if lengths is not None:
            shortest, longest = lengths
            tape.pick(gaps).append(f"{step}{shortest + tape.below(longest - shortest)}")
    steps = [POLL]
    for gap in gaps:
        steps += [*shuffled(gap, tape), POLL]
    return Scenario("a life of crossed conditions", tuple(steps))


def with_idle_steps(scenario: Scenario) -> Scenario:
    """Return the same scenario with `nothing` instead of events and restarts.

    Its reset also clears what a client keeps outside the phone's state, so that a comparison shows
    such data.
    """
    replacements = {**dict.fromkeys(_REPLACED, NOTHING), RESET: RENEWAL}
    steps = tuple(replacements.get(step, step) for step in scenario.steps)
    return Scenario(f"{scenario.name}, in silence", steps)


def draw_interruption(number: int, tape: Tape) -> str:
    """Return a power-off, a step that sets the clock back beyond any due time, or a reset.

    The number determines the kind of step, and the tape its length.
    """
    if number % 3 == 0:
        shortest, longest = tape.pick(_ABSENCES)
        return f"{OFF}{shortest + tape.below(longest - shortest)}"
    if number % 3 == 1:
        return f"{BACK}{9 * _HOUR + tape.below(90 * _DAY)}"
    return RESET


def shuffled(items: Sequence[_Item], tape: Tape) -> list[_Item]:
    """Return the items in a random order."""
    remaining = list(items)
    return [remaining.pop(tape.below(len(remaining))) for _ in range(len(remaining))]
