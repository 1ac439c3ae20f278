"""N2: a fleet of phones is one anonymity set; and a phone is the same phone twice."""

from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.cardinality import judge_cardinality
from client_sim.lab.programme.case import Battery, Case
from client_sim.lab.programme.ground import WEEK, Ground
from client_sim.lab.programme.judges import judge_same_trace
from client_sim.lab.scenarios.lives import idle, random_life, without_events
from client_sim.lab.trace.entropy import Entropy

_GROUP: Final = 8  # phones that are compared at once


def determinism(ground: Ground, size: int) -> Battery:
    """Run the same phone twice: randomness that nobody handed to it shows here."""

    def make(number: int) -> Case:
        tape = ground.tape("determinism", number)
        setting = ground.setting(
            random_life(tape, 3),
            public=tape.pick(ground.publics),
            personal=ground.owner(number),
            entropy=Entropy(tape.octets(8)),
            serve=ground.changing(number),
        )
        return Case((setting, setting), judge_same_trace)

    question = "Do two runs of the same phone leave the same trace?"
    return Battery("determinism", "guard", question, size, make)


def fleet(ground: Ground, size: int) -> Battery:
    """Compare phones that differ in everything but the public trust state.

    Each case takes `_GROUP` phones of different models, owners, randomness and clocks; the first is
    the same in all cases, so that all phones of all cases are compared with each other.
    """
    first = ground.setting(idle(4), entropy=Entropy(b"first"))

    def make(number: int) -> Case:
        tape = ground.tape("fleet", number)
        serve = ground.changing(number) if number % 2 else ground.quiet
        others = []
        for place in range(_GROUP - 1):
            phone = number * (_GROUP - 1) + place
            others.append(
                ground.setting(
                    without_events(first.scenario),
                    public=ground.publics[phone % len(ground.publics)],
                    personal=ground.owner(phone),
                    entropy=Entropy(tape.octets(8)),
                    start=ground.start + tape.below(WEEK),
                    serve=serve,
                )
            )
        return Case((replace(first, serve=serve), *others), judge_cardinality)

    question = "Do all phones of the fleet send the same octets, whatever they are?"
    return Battery("fleet", "N2", question, size, make)
