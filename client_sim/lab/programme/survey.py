"""What a report shows of a client beside its verdict: how it spreads its polls."""

from typing import Final

from client_sim.lab.programme.ground import Ground
from client_sim.lab.programme.setting import observe
from client_sim.lab.scenarios.lives import idle
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.observation import Channel
from client_sim.world import Factory

_PHONES: Final = 20
_POLLS: Final = 50


def survey_intervals(factory: Factory, ground: Ground) -> tuple[float, ...]:
    """Let some phones poll undisturbed and give the seconds between polls, as they drew them."""
    found: list[float] = []
    for phone in range(_PHONES):
        setting = ground.setting(
            idle(_POLLS), personal=ground.owner(phone), entropy=Entropy(b"survey %d" % phone)
        )
        found += [
            round(float(departure.octets) - departure.at, 3)
            for departure in observe(factory, setting).departures
            if departure.channel is Channel.SCHEDULE
        ]
    return tuple(found)
