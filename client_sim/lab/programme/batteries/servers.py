"""N3: a client sends nothing back that a server sent; a failing server learns nothing."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.server_state import judge_server_state
from client_sim.lab.oracles.timing import decode_intervals, judge_history
from client_sim.lab.programme.case import Battery, Case, judge_same_bytes, judge_same_trace
from client_sim.lab.programme.setting import Setting
from client_sim.lab.programme.testbed import FAULTS, Testbed
from client_sim.lab.scenarios.generators import idle
from client_sim.lab.servers.hostile import HOSTILE, TOGETHER
from client_sim.lab.servers.replies import wrapped
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.observation import Observation

_POLLS: Final = 4
_RARELY: Final = 64
_RARELY_BEGINS: Final = 38
_SHARED: Final = 5  # faults in a row that are compared with the same run without a fault
_MANY: Final = 16  # polls, for clients that remember a failure for long
_CALM: Final = 4  # one case in this many has an additional phone without new publications
_CALM_POLLS: Final = 7
# The fault strikes the poll that fetches everything, then one with nothing new, then two in a row.
_CALM_CONNECTIONS: Final = (0, 2, 4, 5)
_PATIENT: Final = 40  # polls, for clients that keep a value for long before they send it back
_STRIDE: Final = 89  # coprime to the number of faults, so that a few cases have all kinds of them
_FAILING: Final = frozenset({"completes"})
# Without a connection there are no requests, and a host name may be resolved again.
_UNREACHED: Final = _FAILING | {"grammar", "egress"}


def server_state(testbed: Testbed, size: int) -> Battery:
    """Let one phone poll two servers that differ in one thing other than content.

    In a second round changes are published meanwhile; a third round has more than two servers. If
    all fields differ together, every round has more servers, and the second has more polls instead
    of changes.
    """

    def make(number: int) -> Case:
        turn, place = divmod(number, len(HOSTILE))
        pair = HOSTILE[place]
        is_patient = turn == 1 and pair is TOGETHER
        serve = testbed.changing(number) if turn == 1 and not is_patient else testbed.quiet
        others = pair.others if turn == 2 or pair is TOGETHER else ()
        setting = testbed.setting(
            idle(_PATIENT if is_patient else _POLLS),
            is_secure=turn == 2,
            personal=testbed.owner(number),
            entropy=Entropy(b"server %d" % number),
        )
        settings = tuple(
            replace(setting, serve=wrapped(serve, wrap))
            for wrap in (pair.first, pair.second, *others)
        )
        return Case(settings, _judge_slow if pair.is_timed else judge_servers, _FAILING)

    question = f"Is the trace the same for {len(HOSTILE)} pairs of servers that try to change it?"
    return Battery("server-state", "N3", question, min(size, 3 * len(HOSTILE)), make)


def judge_servers(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Compare runs of one phone on servers whose content is the same."""
    first, *others = observations
    return tuple(finding for other in others for finding in judge_server_state(first, other))


def _judge_slow(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Compare runs on servers of different speed by their bytes and by each drawn interval."""
    first, *others = observations
    polls = [interval.poll for interval in decode_intervals(first)]
    return (
        *judge_same_bytes(observations),
        *(finding for other in others for finding in judge_history(first, other, polls)),
    )


def faults(testbed: Testbed, size: int) -> Battery:
    """Let two owners' phones meet the same fault in one poll or in all, and a third phone none.

    In every second case the two also differ in their randomness. Each fault occurs with and without
    that, once in one poll and once in four polls. A few phones continue to poll for long.

    In some cases, including all without a connection, another phone meets the fault while nothing
    new is published. It already holds whatever it requests again after the fault.
    """

    @lru_cache(maxsize=4)
    def make_sound(group: int, polls: int) -> Setting:
        return testbed.setting(
            idle(polls),
            # The number of groups is odd, so a fault occurs once with TLS (in one poll, or in all)
            # and once without.
            is_secure=group % 2 == 1,
            personal=testbed.owner(group),
            entropy=Entropy(b"fault %d" % group),
            serve=testbed.changing(group),
        )

    def make(number: int) -> Case:
        turn, place = divmod(number, len(FAULTS))
        fault = FAULTS[number * _STRIDE % len(FAULTS)]
        # Two or three polls follow, because a client may reveal a failure later.
        connections = tuple(range(_POLLS)) if turn else (fault.poll,)
        # Some clients reveal a failure much later, whatever kind of failure it was.
        polls = _MANY if place % _RARELY == _RARELY_BEGINS else _POLLS
        sound = make_sound(number // _SHARED, polls)
        # New owners in every case: the same two would agree in half of all one-bit traits.
        failing = replace(
            sound,
            personal=testbed.owner(2 * number),
            serve=wrapped(sound.serve, fault.at(connections)),
        )
        skipped = _FAILING if fault.is_reached else _UNREACHED
        other = replace(failing, personal=testbed.owner(2 * number + 1))
        is_calm = turn == 0 and (number % _CALM == 0 or not fault.is_reached)
        calm = replace(
            failing,
            scenario=idle(_CALM_POLLS),
            serve=wrapped(testbed.quiet, fault.at(_CALM_CONNECTIONS)),
        )
        more = (calm,) if is_calm else ()
        if (turn + place // 2) % 2 == 0:
            return Case((sound, failing, other, *more), _judge_fault, skipped)
        other = replace(other, entropy=Entropy(b"another fault %d" % number))
        return Case((sound, failing, other, *more), _judge_fault_bytes, skipped)

    question = (
        f"Do all phones behave alike, and poll at the same times, with {len(FAULTS)} faults of"
        " servers and networks?"
    )
    return Battery("faults", "N1", question, min(size, 2 * len(FAULTS)), make)


def _judge_fault(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Compare two owners' phones with a fault, and their intervals with those of a run without.

    A client that crashes has no intervals; here it only matters that it crashes for both owners.
    """
    sound, one, other, *_ = observations
    return (*judge_same_trace((one, other)), *_judge_times(one, sound))


def _judge_fault_bytes(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Compare two phones with a fault and different randomness, whose times may differ."""
    sound, one, other, *_ = observations
    return (*judge_same_bytes((one, other)), *_judge_times(one, sound))


def _judge_times(one: Observation, sound: Observation) -> tuple[Finding, ...]:
    polls = {i.poll for i in decode_intervals(one)} & {i.poll for i in decode_intervals(sound)}
    return judge_history(one, sound, polls)
