"""N2: what a phone sends, and when, does not depend on its machine, its library or its network.

With real sockets and real TLS this shows bytes that a library or the system adds.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from client_sim.lab.clients.installing import with_installation
from client_sim.lab.clients.loading import import_again
from client_sim.lab.oracles.connections import judge_handshakes
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.judging import judge_far_end
from client_sim.lab.programme.case import Battery, Case, judge_same_bytes, judge_same_trace
from client_sim.lab.programme.conditions import spoil
from client_sim.lab.programme.setting import Transport, make_phone_dial
from client_sim.lab.programme.testbed import FAULTS, Testbed
from client_sim.lab.scenarios.driving import Scenario
from client_sim.lab.scenarios.generators import (
    draw_interruption,
    idle,
    random_scenario,
    with_restarts,
)
from client_sim.lab.servers.contents import Publication, halt, release
from client_sim.lab.servers.faults_network import INSTALL
from client_sim.lab.servers.replies import wrapped
from client_sim.lab.trace.machine import grow_older, make_machine
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.observation import Observation
from client_sim.lab.trace.sockets import MakeDial
from client_sim.tape import Tape
from client_sim.world import Factory

_MACHINES: Final = 3  # with two, a single bit would be equal in half of the cases
_POLLS: Final = 4
_KINDS: Final = 4  # of cases: nothing new, publications, faults, failing installations
_STRIDE: Final = 37  # coprime to the number of faults
_FAILING: Final = frozenset({"completes", "grammar", "egress"})
_BREAK_KINDS: Final = 4  # nothing, a power-off, a clock set back, a reset
_OFFER: Final = (Publication("a release for all", release(1000), connection=0),)
_OFFERED_ONCE: Final = (*_OFFER, Publication("a halted rollout", halt, connection=1))
_PHONES: Final = 6


def machine(testbed: Testbed, size: int) -> Battery:
    """Run the same phone on machines that differ in everything that an interpreter reports.

    Its module is imported again on each machine, because a client may look when it is imported. The
    last machine changes after each poll.

    There are four kinds of cases: nothing new, a publication before each poll, a fault in all
    polls, and a fault in all installations. In half of the last kind the offer is made only once.
    Three in four cases of each kind have a power-off, a clock that is set back, or a reset.
    """

    def make(number: int) -> Case:
        tape = testbed.tape("machine", number)
        kind, turn = number % _KINDS, number // _KINDS
        serve = testbed.changing(number) if kind == 1 else testbed.quiet
        break_kind = (kind + turn) % _BREAK_KINDS
        # A poll may fail after the clock was set back or after a reset, on all machines alike.
        skipped = frozenset({"completes"} if break_kind else ())
        adapt = import_again
        if kind == 2 and testbed.upstream is None:
            fault = FAULTS[number * _STRIDE % len(FAULTS)]
            serve, skipped = wrapped(serve, fault.at(tuple(range(_POLLS)))), _FAILING
        if kind == 3:
            adapt, skipped = _install_anew, _FAILING | {"schedule"}
            fault = INSTALL[number * _STRIDE % len(INSTALL)]
            serve = spoil(
                testbed.publishing(_OFFERED_ONCE if turn % 2 else _OFFER),
                fault,
                {"fault": "install", "strikes": "always"},
            )
        scenario = with_restarts(random_scenario(tape, _POLLS), tape)
        setting = testbed.setting(
            _add_break(scenario, break_kind, tape),
            public=tape.pick(testbed.publics),
            is_secure=number % 2 == 1,
            is_private=(number + turn // 2) % 2 == 1,
            personal=testbed.owner(number),
            entropy=Entropy(tape.data(8)),
            start=testbed.start + tape.below(testbed.spread),
            serve=serve,
            adapt=adapt,
        )
        machines = [make_machine(tape.data(8)) for _ in range(_MACHINES)]
        settings = [replace(setting, machine=each) for each in machines]
        settings[-1] = replace(settings[-1], altered=grow_older(machines[-1], tape, _POLLS - 1))
        return Case(tuple(settings), judge_same_trace, skipped)

    question = "Is the trace the same on machines that differ in everything, and on a changing one?"
    return Battery("machine", "N2", question, size, make)


def _install_anew(factory: Factory) -> Factory:
    return with_installation(import_again(factory))


def _add_break(scenario: Scenario, break_kind: int, tape: Tape) -> Scenario:
    """Add a power-off, a clock set back or a reset after the first poll, or nothing for kind 0."""
    steps = list(scenario.steps)
    if break_kind:
        steps.insert(1 + tape.below(len(steps) - 1), draw_interruption(break_kind, tape))
    return Scenario(scenario.name, tuple(steps))


def sockets(testbed: Testbed, size: int) -> Battery:
    """Let phones poll over plain sockets, and compare both ends of each socket and the phones."""
    question = "Do both ends of each real socket have the same bytes, and all phones the same?"
    return Battery(
        "sockets", "N2", question, size, _cases(testbed, size, Transport.SOCKETS, make_phone_dial)
    )


def network(testbed: Testbed, size: int, dial: MakeDial = make_phone_dial) -> Battery:
    """Let phones poll over TLS, and compare what the network sees."""
    question = "Does the network see the same TLS from all phones, every time?"
    return Battery("network", "N2", question, size, _cases(testbed, size, Transport.TLS, dial))


def _cases(
    testbed: Testbed, size: int, transport: Transport, dial: MakeDial
) -> Callable[[int], Case]:
    def make(number: int) -> Case:
        tape = testbed.tape(transport.name, number)
        phones = [
            testbed.setting(
                idle(3),
                public=testbed.publics[(number * _PHONES + place) % len(testbed.publics)],
                is_secure=transport is Transport.TLS,
                personal=testbed.owner(number + place * size),
                entropy=Entropy(tape.data(8)),
                serve=testbed.changing(number) if number % 2 else testbed.quiet,
            )
            for place in range(_PHONES)
        ]
        settings = tuple(replace(phone, transport=transport, dial=dial) for phone in phones)
        return Case(settings, _judge)

    return make


def _judge(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    handshakes = [finding for each in observations for finding in judge_handshakes(each)]
    ends = [finding for each in observations for finding in judge_far_end(each)]
    return (*handshakes, *ends, *judge_same_bytes(observations))
