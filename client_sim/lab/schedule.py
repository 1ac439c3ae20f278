"""When a phone polls: exactly as fresh randomness says, and silent in between."""

from dataclasses import dataclass
from typing import Final

from client_sim.lab.observation import Channel, Departure, Observation

_SHORTEST: Final = 14_400  # seconds; FORMATS section 9
_SPREAD: Final = 14_401


@dataclass(frozen=True, slots=True)
class Irregularity:
    """A departure at a time that the schedule does not explain."""

    departure: Departure
    explanation: str


def find_irregularities(observation: Observation) -> tuple[Irregularity, ...]:
    """Check that each due time is 14400 + (u mod 14401) after its poll, `u` being drawn for it.

    The lab knows every octet of randomness that the client took, so this is no statistics: a draw
    that was used before, an interval that no draw of eight octets since the last poll explains,
    and anything that leaves outside a poll are each found at the first occurrence.
    """
    found: list[Irregularity] = []
    for departure in observation.departures:
        if departure.channel is Channel.SCHEDULE:
            interval = float(departure.octets) - departure.at
            if round(interval, 3) not in _explained(observation, departure.phase):
                found.append(
                    Irregularity(
                        departure,
                        f"the next poll comes {interval:g} s later, which no eight octets "
                        "that were drawn for this poll explain",
                    )
                )
        elif departure.channel is not Channel.CRASH and not departure.phase.startswith("poll "):
            found.append(Irregularity(departure, "nothing may leave between polls"))
    return tuple(found)


def _explained(observation: Observation, phase: str) -> set[float]:
    return {
        float(_SHORTEST + int.from_bytes(draw.octets, "big") % _SPREAD)
        for draw in observation.draws
        if draw.phase == phase and len(draw.octets) == 8
    }
