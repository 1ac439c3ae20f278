"""When a phone polls: exactly as fresh randomness says, and silent in between."""

from dataclasses import dataclass
from typing import Final

from client_sim.lab.trace.observation import Channel, Departure, Observation

_SHORTEST: Final = 14_400  # seconds; FORMATS section 9
_SPREAD: Final = 14_401


@dataclass(frozen=True, slots=True)
class Irregularity:
    """A departure at a time that the schedule does not explain."""

    departure: Departure
    explanation: str


def find_irregularities(observation: Observation) -> tuple[Irregularity, ...]:
    """Check that each due time is 14400 + (u mod 14401) after its poll, `u` being drawn for it.

    The lab knows every octet of randomness that the client took, so this is no statistics: an
    interval that is not the one draw of eight octets of its poll, a second such draw (whoever may
    draw again may choose), and anything that leaves outside a poll are found at once.
    """
    found: list[Irregularity] = []
    for departure in observation.departures:
        if departure.channel is Channel.SCHEDULE:
            explanation = _complaint(observation, departure)
            if explanation is not None:
                found.append(Irregularity(departure, explanation))
        elif departure.channel is not Channel.CRASH and not departure.phase.startswith("poll "):
            found.append(Irregularity(departure, "nothing may leave between polls"))
    return tuple(found)


def _complaint(observation: Observation, departure: Departure) -> str | None:
    interval = float(departure.octets) - departure.at
    draws = [d for d in observation.draws if d.phase == departure.phase and len(d.octets) == 8]
    if len(draws) > 1:
        return f"eight octets were drawn {len(draws)} times for one interval, so it can be chosen"
    explained = [_SHORTEST + int.from_bytes(draw.octets, "big") % _SPREAD for draw in draws]
    if round(interval, 3) not in explained:
        return (
            f"the next poll comes {interval:g} s later, which no eight octets "
            "that were drawn for this poll explain"
        )
    return None
