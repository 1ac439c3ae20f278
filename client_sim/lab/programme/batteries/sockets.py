"""Real sockets and real TLS: what a library or a system adds to what a client says."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.connections import judge_handshakes
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.judging import judge_far_end
from client_sim.lab.programme.case import Battery, Case, judge_same_bytes
from client_sim.lab.programme.ground import Ground, secure
from client_sim.lab.programme.setting import Way, dial_as_a_phone
from client_sim.lab.scenarios.lives import idle
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.observation import Observation
from client_sim.lab.trace.sockets import MakeDial

_PHONES: Final = 6


def sockets(ground: Ground, size: int) -> Battery:
    """Let phones poll over plain sockets, and compare both ends of each and the phones."""
    question = "Do both ends of each real socket carry the same, and all phones' the same?"
    return Battery(
        "sockets", "N2", question, size, _cases(ground, size, Way.SOCKETS, dial_as_a_phone)
    )


def network(ground: Ground, size: int, dial: MakeDial = dial_as_a_phone) -> Battery:
    """Let phones poll over TLS, and compare what the network sees of them."""
    question = "Does a network see the same TLS of all phones, each time?"
    return Battery("network", "N2", question, size, _cases(ground, size, Way.TLS, dial))


def _cases(ground: Ground, size: int, way: Way, dial: MakeDial) -> Callable[[int], Case]:
    def make(number: int) -> Case:
        tape = ground.tape(way.name, number)
        phones = []
        for place in range(_PHONES):
            public = ground.publics[(number * _PHONES + place) % len(ground.publics)]
            phones.append(
                ground.setting(
                    idle(3),
                    public=secure(public) if way is Way.TLS else public,
                    personal=ground.owner(number + place * size),
                    entropy=Entropy(tape.data(8)),
                    serve=ground.changing(number) if number % 2 else ground.quiet,
                )
            )
        settings = tuple(replace(phone, way=way, dial=dial) for phone in phones)
        return Case(settings, _judge)

    return make


def _judge(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    alone = [finding for each in seen for finding in judge_handshakes(each)]
    ends = [finding for each in seen for finding in judge_far_end(each)]
    return (*alone, *ends, *judge_same_bytes(seen))
