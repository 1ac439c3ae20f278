"""Lives in which conditions meet: events, restarts, a reset, a power-off and a clock set back."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

from client_sim.lab.scenarios.driving import (
    BACK,
    NOTHING,
    OFF,
    POLL,
    REBOOT,
    RENEWAL,
    RESET,
    Scenario,
)
from client_sim.lab.scenarios.lives import TWO_YEARS
from client_sim.owner_events.events import EVERYDAY, KINDS_2014, Kind
from client_sim.tape import Tape

T = TypeVar("T")

POLLS: Final = 6
LIVES: Final[Mapping[str, tuple[Kind, ...]]] = MappingProxyType(
    {
        "talk": tuple(k for k in KINDS_2014 if k.startswith(("sms-", "mms-", "call-"))),
        "people": (Kind.SIM_INSERTED, Kind.CONTACT_ADDED, Kind.ACCOUNT_LOGIN, Kind.ACCOUNT_LOGOUT),
        "places": (Kind.WIFI_JOINED, Kind.LOCATION_ALLOWED, *EVERYDAY),
        "everything": (*KINDS_2014, *EVERYDAY),
    }
)
"""What happens in a life, by name."""

_HOUR: Final = 3_600
_DAY: Final = 86_400
# The shortest and the longest, in seconds; a drawn length between them is no round number.
_POWERLESS: Final = {
    "days": (_DAY, 6 * _DAY),
    "weeks": (7 * _DAY, 29 * _DAY),
    "months": (30 * _DAY, 400 * _DAY),
}
_ABSENCES: Final = (*_POWERLESS.values(), (TWO_YEARS, TWO_YEARS + 200 * _DAY))
_SET_BACK: Final = {"hours": (600, 23 * _HOUR), "days": (_DAY, 90 * _DAY)}
_RESETS: Final = {"early": 1, "late": 3}  # intervals, from 0
_HAPPENINGS: Final = frozenset({REBOOT, *LIVES["everything"]})


def cross_life(row: Mapping[str, str], tape: Tape) -> Scenario:
    """Draw a life from a row of conditions: what happens, when, and in which order."""
    gaps: list[list[str]] = [[] for _ in range(POLLS - 1)]
    for place, kind in enumerate(shuffled(LIVES.get(row["life"], ()), tape)):
        gaps[tape.below(len(gaps)) if place else 0].append(kind)
        # Some happen in about half of the intervals, so that they meet what is there for a while.
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


def hushed(scenario: Scenario) -> Scenario:
    """Return the same life without events and restarts: in their places time passes.

    A reset clears what a client keeps outside of the phone's state, too, so that it shows.
    """
    silent = {**dict.fromkeys(_HAPPENINGS, NOTHING), RESET: RENEWAL}
    steps = tuple(silent.get(step, step) for step in scenario.steps)
    return Scenario(f"{scenario.name}, in silence", steps)


def draw_break(number: int, tape: Tape) -> str:
    """Draw a power-off, a clock that is set back so far that a due time is void, or a reset.

    Which of them follows from the number, and how far or long from the tape.
    """
    if number % 3 == 0:
        shortest, longest = tape.pick(_ABSENCES)
        return f"{OFF}{shortest + tape.below(longest - shortest)}"
    if number % 3 == 1:
        return f"{BACK}{9 * _HOUR + tape.below(90 * _DAY)}"
    return RESET


def shuffled(those: Sequence[T], tape: Tape) -> list[T]:
    """Draw an order."""
    left = list(those)
    return [left.pop(tape.below(len(left))) for _ in range(len(left))]
