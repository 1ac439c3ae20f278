"""N2: neither what a phone sends nor when depends on its machine."""

from dataclasses import replace
from typing import Final

from client_sim.lab.clients.anew import born_anew
from client_sim.lab.programme.batteries.servers import wrapped
from client_sim.lab.programme.case import Battery, Case
from client_sim.lab.programme.ground import FAULTS, Ground
from client_sim.lab.programme.judges import judge_same_trace
from client_sim.lab.scenarios.lives import random_life, with_restarts
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.machine import make_machine

_MACHINES: Final = 3  # two may agree in a bit, and half of all cases would then be blind to it
_POLLS: Final = 3
_STRIDE: Final = 37  # has no divisor with the number of faults
_FAILING: Final = frozenset({"completes", "grammar", "egress"})


def machine(ground: Ground, size: int) -> Battery:
    """Run the same phone on machines that differ in all that an interpreter reports.

    Its module is imported anew on each, since a client may look when it is imported. In a third of
    the cases something is published before each poll, in another a fault strikes all polls.
    """

    def make(number: int) -> Case:
        tape = ground.tape("machine", number)
        serve = ground.changing(number) if number % 3 == 1 else ground.quiet
        spared: frozenset[str] = frozenset()
        if number % 3 == 2 and ground.upstream is None:
            fault = FAULTS[number * _STRIDE % len(FAULTS)]
            serve, spared = wrapped(serve, fault.at(tuple(range(_POLLS)))), _FAILING
        setting = ground.setting(
            with_restarts(random_life(tape, _POLLS), tape),
            public=ground.secured(tape.pick(ground.publics), is_secure=number % 2 == 1),
            personal=ground.owner(number),
            entropy=Entropy(tape.data(8)),
            start=ground.start + tape.below(ground.spread),
            serve=serve,
        )
        machines = [make_machine(tape.data(8)) for _ in range(_MACHINES)]
        settings = (replace(setting, machine=each, adapt=born_anew) for each in machines)
        return Case(tuple(settings), judge_same_trace, spared)

    question = "Is the trace the same on machines of another name, user, zone, clock and size?"
    return Battery("machine", "N2", question, size, make)
