"""N1 to N3 for packs of public content: withheld parts, publications, and bad versions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.cardinality import judge_cardinality
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.batteries.servers import judge_servers
from client_sim.lab.programme.case import Battery, Case, judge_same_polls, judge_same_trace
from client_sim.lab.programme.testbed import EVERY_KIND, WEEK, History, Serve, Testbed
from client_sim.lab.scenarios.generators import busy_scenario, idle, without_events
from client_sim.lab.servers.hostile import SMALL_PARTS, STOCKED_PARTS, WITHHOLDING_COUNT
from client_sim.lab.servers.packs import (
    HISTORIES,
    PARTS,
    SMALL,
    STATE_PAIRS,
    make_history,
    make_steps,
)
from client_sim.lab.servers.replies import only_at, wrapped
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.observation import Channel, Observation

_FIRST_CONNECTION: Final = (0,)  # the first poll, which requests all parts
_FIRST: Final = "poll 1"
_SECOND: Final = "poll 2"
_POLLS: Final = 4
_GROUP: Final = 6  # phones that are compared together
_FAILING: Final = frozenset({"completes"})
_WITHHELD: Final = (*SMALL_PARTS, *STOCKED_PARTS)
_ANNOUNCED: Final = tuple((kind, states) for kind in SMALL for states in STATE_PAIRS)
_WITH_ALL: Final = "greetings"  # a kind that needs a repository with every kind
_KINDS: Final = (*SMALL, *(kind for kind in PARTS if kind not in SMALL))
_COUNT: Final = len(_KINDS) * len(HISTORIES)
# Phones ignore a decreasing version and fetch nothing that it lists.
_IGNORED_HISTORY: Final = "turned back to the first version"
_STRIDE: Final = 10  # coprime to the number of cases, so that a few cases have parts of all kinds
_FIRST_HOLDINGS: Final = 72  # the most informative case: access points start, are withdrawn
_HOLDINGS_STRIDE: Final = 7  # coprime to the number of cases, so that three cases have both roles


def parts(testbed: Testbed, size: int) -> Battery:
    """Let one phone poll two servers, each of which withholds a different part of a pack.

    The first poll ends with the withheld part, so the server can tell it there. Later polls must
    not reveal which part it was. Other pairs of servers announce a new version differently: for
    which phones, from when on, and for how long. If one of two versions is bad, their bytes differ,
    so the requests of the poll that fetches them are not compared.
    """
    count = len(_WITHHELD) + len(_ANNOUNCED)

    def make(place: int) -> Case:
        number = place * _STRIDE % count
        if number >= len(_WITHHELD):
            return _make_announcement(testbed, number, *_ANNOUNCED[number - len(_WITHHELD)])
        pair = _WITHHELD[number]
        serve = testbed.quiet if number < len(SMALL_PARTS) else testbed.stocked((), EVERY_KIND)
        setting = testbed.setting(
            idle(_POLLS),
            is_secure=number % 2 == 1,
            personal=testbed.owner(number),
            entropy=Entropy(b"parts %d" % number),
        )
        settings = tuple(
            replace(setting, serve=wrapped(serve, only_at(_FIRST_CONNECTION, wrap)))
            for wrap in (pair.first, pair.second)
        )
        return Case(settings, _judge_later_polls, _FAILING)

    question = (
        f"If servers withhold a part of a pack, or describe it, in {count} ways: do later requests"
        " not show which?"
    )
    return Battery("parts", "N3", question, min(size, count), make)


def _make_announcement(testbed: Testbed, number: int, kind: str, states: tuple[str, str]) -> Case:
    """Announce a new version of a pack in one of two states, and then another version."""
    setting = testbed.setting(
        idle(_POLLS), personal=testbed.owner(number), entropy=Entropy(b"said %d" % number)
    )
    settings = tuple(
        replace(setting, serve=_publish(testbed, kind, make_steps((state, "-", ""), kind)))
        for state in states
    )
    return Case(settings, _judge_announcement if "bad" in states else judge_servers)


def packs(testbed: Testbed, size: int) -> Battery:
    """Compare two owners' phones under every history of every kind of pack.

    In a quarter of the cases all kinds are published. In three quarters one of the two phones has
    each owner event in about half of the intervals, and the other has none.
    """

    def make(number: int) -> Case:
        name, kind = _choose_history(number)
        turn = (number + number // len(_KINDS)) % 4
        is_stocked, is_eventful = turn == 1, turn > 0
        history = make_history(name, kind)
        setting = testbed.setting(
            idle(_POLLS),
            is_secure=number // 4 % 2 == 1,
            personal=testbed.owner(2 * number),
            entropy=Entropy(b"packs %d" % number),
            serve=(
                testbed.stocked(history, EVERY_KIND)
                if is_stocked
                else _publish(testbed, kind, history)
            ),
        )
        other = replace(setting, personal=testbed.owner(2 * number + 1))
        if not is_eventful:
            return Case((setting, other), judge_same_trace, _skipped_guards(name))
        scenario = busy_scenario(testbed.tape("packs", number), _POLLS)
        settings = (
            replace(setting, scenario=scenario),
            replace(other, scenario=without_events(scenario)),
        )
        return Case(settings, judge_same_polls, _skipped_guards(name), derive=without_events)

    question = (
        f"Are all owners' phones alike when packs of {len(_KINDS)} kinds are staged, timed, bad,"
        " withdrawn or turned back, whatever happens in between?"
    )
    return Battery("packs", "N1", question, min(size, _COUNT), make)


def _choose_history(number: int) -> tuple[str, str]:
    """Return the history and the kind of pack of a case; consecutive numbers have all kinds."""
    return HISTORIES[number % len(HISTORIES)], _KINDS[number % len(_KINDS)]


def holdings(testbed: Testbed, size: int) -> Battery:
    """Compare phones that share only the public trust state and hold different parts of packs.

    In half of the cases a different part is withheld from each in its first poll, which is not
    compared. In the others, packs are staged, timed, bad, withdrawn or turned back while the phones
    poll; some use them, others do not.
    """

    def make(number: int) -> Case:
        is_withheld = number % 2 == 0
        name, kind = _choose_history(_FIRST_HOLDINGS + number // 2 * _HOLDINGS_STRIDE)
        serve = testbed.quiet if is_withheld else _publish(testbed, kind, make_history(name, kind))
        settings = []
        for place in range(_GROUP):
            phone = number * _GROUP + place
            tape = testbed.tape("holdings", phone)
            setting = testbed.setting(
                idle(_POLLS),
                public=testbed.publics[phone % len(testbed.publics)],
                is_secure=number // 2 % 2 == 1,
                personal=testbed.owner(phone),
                entropy=Entropy(tape.data(8)),
                start=testbed.start + tape.below(WEEK),
                serve=serve,
            )
            if is_withheld:
                pair = SMALL_PARTS[number // 2 % WITHHOLDING_COUNT + place % 3 * WITHHOLDING_COUNT]
                wrap = only_at(_FIRST_CONNECTION, pair.first if place < 3 else pair.second)
                setting = replace(setting, serve=wrapped(serve, wrap))
            settings.append(setting)
        if is_withheld:
            return Case(tuple(settings), _judge_crowd_later_polls, _FAILING)
        return Case(tuple(settings), judge_cardinality, _skipped_guards(name))

    question = "Do phones request the same parts, whatever they received before and use?"
    return Battery("holdings", "N2", question, min(size, 2 * _COUNT), make)


def _publish(testbed: Testbed, kind: str, history: History) -> Serve:
    """Publish a history of one kind of pack, as the only kind except for `_WITH_ALL`."""
    if kind in SMALL:
        return testbed.publishing(history)
    return testbed.stocked(history, EVERY_KIND if kind == _WITH_ALL else (kind,))


def _skipped_guards(name: str) -> frozenset[str]:
    return _FAILING if name == _IGNORED_HISTORY else frozenset()


def _judge_later_polls(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    return judge_servers([_without(_FIRST, each) for each in observations])


def _judge_announcement(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    return judge_servers([_without(_SECOND, each) for each in observations])


def _judge_crowd_later_polls(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    return judge_cardinality([_without(_FIRST, each) for each in observations])


def _without(poll: str, observation: Observation) -> Observation:
    """Remove the bytes that one poll sent, but keep its schedule."""
    remaining = tuple(
        d for d in observation.departures if d.phase != poll or d.channel is not Channel.BYTES
    )
    return replace(observation, departures=remaining)
