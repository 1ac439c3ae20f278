"""How our own phone draws its intervals, exactly: the formula of FORMATS section 9.

Another client may draw in another way and be as clean, so this is asked of ours alone.
"""

from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import Interval, decode_intervals
from client_sim.lab.trace.observation import Channel, Observation

_SHORTEST: Final = 14_400  # seconds; FORMATS section 9
_SPREAD: Final = 14_401


def judge_formula(observation: Observation) -> tuple[Finding, ...]:
    """Find due times that are not 14400 + (u mod 14401) after their poll, `u` being drawn for it.

    The lab knows every octet of randomness that the client took, so this is no statistics: an
    interval that is not the one draw of eight octets of its poll, and a second such draw (whoever
    may draw again may choose) are found at once.
    """
    return tuple(
        Finding(
            where=f"{Channel.SCHEDULE.value}, poll {interval.poll}",
            explanation=explanation,
            octets=(octets := f"{interval.seconds:g}".encode()),
            offset=0,
            length=len(octets),
            channel=Channel.SCHEDULE.value,
            field="interval",
        )
        for interval in decode_intervals(observation)
        if (explanation := _complaint(observation, interval)) is not None
    )


def _complaint(observation: Observation, interval: Interval) -> str | None:
    phase = f"poll {interval.poll}"
    draws = [d for d in observation.draws if d.phase == phase and len(d.octets) == 8]
    if len(draws) > 1:
        return f"eight octets were drawn {len(draws)} times for one interval, so it can be chosen"
    explained = [_SHORTEST + int.from_bytes(draw.octets, "big") % _SPREAD for draw in draws]
    if round(interval.seconds, 3) not in explained:
        return (
            f"the next poll comes {interval.seconds:g} s later, which no eight octets "
            "that were drawn for this poll explain"
        )
    return None
