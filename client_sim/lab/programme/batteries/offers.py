"""N1 to N3 for offers: phones accept them by their place alone, and install or fail alike.

A phone's place in a rollout is known here, so shares are chosen for the phone: the largest that
excludes it, then the next larger one, which includes it. A place that moved by one is noticed (N1).
After an offer the examined client installs, which it does nowhere else in the lab.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from client_sim.lab.clients.installing import with_installation
from client_sim.lab.oracles.cardinality import CROWDS
from client_sim.lab.oracles.choices import Offered, judge_choices, place_of
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.batteries.fleet import judge_installing
from client_sim.lab.programme.batteries.servers import judge_servers
from client_sim.lab.programme.case import (
    Battery,
    Case,
    judge_same_bytes,
    judge_same_polls,
    judge_same_trace,
)
from client_sim.lab.programme.testbed import WEEK, History, Testbed
from client_sim.lab.scenarios.driving import POLL, REBOOT, RESET, Scenario
from client_sim.lab.scenarios.generators import draw_interruption, idle, shuffled, with_idle_steps
from client_sim.lab.servers.contents import Publication, release, widen
from client_sim.lab.servers.faults_network import INSTALL
from client_sim.lab.servers.hostile import INSTALLING
from client_sim.lab.servers.replies import wrapped
from client_sim.lab.trace.memory import Entropy, SeededEntropy
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.owner_events.events import EVERYDAY, KINDS_2014
from client_sim.tape import Tape
from client_sim.world import Public

KINDS: Final = (*(kind.value for kind in (*KINDS_2014, *EVERYDAY)), REBOOT)
"""The kinds of events between offers; each case has one of them, once, twice and three times."""

_PHONES: Final = 8  # each with its own secret; few, so that few servers have to be built
# How often the event occurs before each poll in which a build is offered or not yet offered.
_ROUNDS: Final = ((0, 2), (1, 1), (0, 3), (2, 1), (2,), (3,))
_KNOWN: Final = ((0, 0), (0, 0))
_INSTALL_CONNECTIONS: Final = 3  # of a poll that installs: its own, the package's, a second look
_SECRET: Final = 32  # bytes
# A poll that installs has two outcomes. The canary search would take as long as the runs; comparing
# owners also shows leaked values.
_SKIPPED_GUARDS: Final = frozenset({"completes", "canaries"})
_OFFER: Final[History] = (Publication("a release for all", release(1000)),)
# One step of a scenario has a poll, its installation, and another look before the slot switch.
_TWICE: Final = frozenset({"completes"})
_CROWD: Final = max(CROWDS.values())
_STRIDE: Final = 89  # coprime to the number of faults, so that a few cases have all kinds of them
_FIRST: Final = (1, 2, 3)  # connections after the one of the first poll
_CONNECTIONS: Final = 64  # more than three polls with their installations make
# Polls fail on purpose. An installation takes time after the interval was drawn, which shortens the
# interval.
_FAILING: Final = frozenset({"completes", "schedule"})


class _OfferPlan(NamedTuple):
    """The steps of a scenario, the publications meanwhile, and the offers to the phone by poll."""

    steps: tuple[str, ...]
    history: tuple[Publication, ...]
    offered: tuple[Offered, ...]


def offers(testbed: Testbed, size: int) -> Battery:
    """Compare a phone that has one kind of event between offers with one without events.

    The event occurs once, twice and three times. Most builds are first offered to the largest share
    that excludes this phone, and then to one place more. The others are offered to all phones. The
    phone without events has another owner.

    Every second scenario has a power-off, a clock that is set back, or a reset. Every second turn
    has other events, too. In every third case the builds that the phones install do not boot.
    """

    def make(number: int) -> Case:
        tape = testbed.tape("offers", number)
        turn, kind = divmod(number, len(KINDS))
        phone = (turn + kind) % _PHONES
        public = testbed.publics[phone % len(testbed.publics)]
        entropy = Entropy(b"%d offers %d" % (testbed.seed, phone))
        plan = _plan_offers(public, entropy, turn, kind, tape)
        setting = testbed.setting(
            Scenario(f"offers around {KINDS[kind]}", plan.steps),
            public=public,
            is_secure=(turn + kind) // 2 % 2 == 1,
            personal=testbed.owner(2 * number),
            entropy=entropy,
            serve=testbed.publishing(plan.history),
            adapt=partial(with_installation, boots=(turn + kind) % 3 != 0),
        )
        quiet = replace(
            setting,
            scenario=with_idle_steps(setting.scenario),
            personal=testbed.owner(2 * number + 1),
        )

        def judge(observations: Sequence[Observation]) -> tuple[Finding, ...]:
            known = sum(len(polls) for polls in _KNOWN)
            own = (
                finding
                for each in observations
                if _is_whole(each, plan)
                for finding in judge_choices(each, plan.offered, known)
            )
            return (*judge_same_polls(observations), *own)

        return Case((setting, quiet), judge, _SKIPPED_GUARDS, derive=with_idle_steps)

    question = (
        f"Do phones take the same offers in the same polls, by their place alone, whichever of"
        f" {len(KINDS)} kinds of events comes once, twice or three times between them?"
    )
    return Battery("offers", "N1", question, size, make)


def _plan_offers(public: Public, entropy: Entropy, turn: int, kind: int, tape: Tape) -> _OfferPlan:
    rounds = shuffled(_ROUNDS, tape)
    cut = tape.below(len(rounds)) if (turn + kind) % 2 else None
    steps, history, offered = [POLL], [], []
    secret = _draw_secret(entropy, 1)
    polls = connections = 1
    for counter, times in enumerate((*_KNOWN, *rounds), 2):
        if cut == counter - len(_KNOWN) - 2:
            steps.append(draw_interruption((turn + kind) // 2, tape))
            if steps[-1] == RESET:
                secret = _draw_secret(entropy, polls + 1)
        place = place_of(secret, public, counter)
        shares = (1000,) if len(times) == 1 else (place, place + 1)
        for nth, (share, often) in enumerate(zip(shares, times, strict=True)):
            gap = [KINDS[kind]] * often
            if turn % 2 and counter > len(_KNOWN) + 1:
                gap += [other for other in KINDS if tape.below(4) == 0]
            steps += [*shuffled(gap, tape), POLL]
            polls += 1
            change = widen(share) if nth else release(share)
            history.append(Publication(f"build {counter} for {share}", change, connections))
            offered.append(Offered(polls, counter, place, share))
            connections += _INSTALL_CONNECTIONS if place < share else 1
    return _OfferPlan(tuple(steps), tuple(history), tuple(offered))


def _is_whole(observation: Observation, plan: _OfferPlan) -> bool:
    """Return whether a run has all polls of a plan, and its reset; otherwise places differ."""
    was_reset = any(
        d.channel is Channel.DUE and d.phase.endswith(RESET) for d in observation.departures
    )
    return len(observation.outcomes) == plan.steps.count(POLL) and was_reset == (
        RESET in plan.steps
    )


def _draw_secret(entropy: Entropy, poll: int) -> bytes:
    """Return the first value of a secret's length that a phone draws in a poll.

    A phone without a secret takes this one. If a client draws a value of this length before, the
    shares do not match its place.
    """
    drawn = SeededEntropy(entropy)
    drawn.begin_poll(poll)
    return drawn(_SECRET)


def installs(testbed: Testbed, size: int) -> Battery:
    """Let phones of two kinds install in one case, half of each kind from the previous build.

    A kind is a model, region and channel. Phones with the previous build get an incremental
    package, all others the full one.
    """
    names = [(public.codename, public.region, public.channel) for public in testbed.publics]

    def make(number: int) -> Case:
        tape = testbed.tape("installs", number)
        kinds = {names[(2 * number + place) % len(names)] for place in range(2)}
        phones = [
            public
            for public, name in zip(testbed.publics, names, strict=True)
            for _ in range(_CROWD)
            if name in kinds
        ]
        settings = tuple(
            testbed.setting(
                idle(2),
                public=public,
                personal=testbed.owner(number + place * size),
                entropy=Entropy(tape.data(8)),
                start=testbed.start + tape.below(WEEK),
                serve=testbed.publishing(_OFFER),
                adapt=with_installation,
            )
            for place, public in enumerate(phones)
        )
        # All phones of the same kind and build are offered the same package.
        offered = {(p.codename, p.region, p.channel, p.build.counter) for p in phones}
        models = len({each.codename for each in phones})
        return Case(settings, judge_installing(models, len(offered)), _TWICE)

    question = f"When phones install, does each request come from {_CROWD} phones or more?"
    return Battery("installs", "N2", question, size, make)


def install_faults(testbed: Testbed, size: int) -> Battery:
    """Let two owners' phones meet the same fault when they install an offered release.

    The fault strikes in the first installation, or in all. Half of the phones are offered an
    incremental package first. In every second case the two phones also differ in their randomness.
    """

    def make(number: int) -> Case:
        turn, place = divmod(number, len(INSTALL))
        fault = INSTALL[number * _STRIDE % len(INSTALL)]
        connections = range(_CONNECTIONS) if turn else _FIRST
        one = testbed.setting(
            idle(3),
            public=testbed.publics[number % len(testbed.publics)],
            personal=testbed.owner(2 * number),
            entropy=Entropy(b"install %d" % number),
            serve=wrapped(testbed.publishing(_OFFER), fault.at(connections)),
            adapt=with_installation,
        )
        other = replace(one, personal=testbed.owner(2 * number + 1))
        if (turn + place // 2) % 2 == 0:
            return Case((one, other), judge_same_trace, _FAILING)
        other = replace(other, entropy=Entropy(b"another install %d" % number))
        return Case((one, other), judge_same_bytes, _FAILING)

    question = f"Do all phones of a kind behave alike with {len(INSTALL)} faults after an offer?"
    return Battery("install-faults", "N1", question, min(size, 2 * len(INSTALL)), make)


def install_state(testbed: Testbed, size: int) -> Battery:
    """Let a phone install from servers that differ in one thing other than content.

    Half of the phones poll over TLS, and half are offered an incremental package first.
    """

    def make(number: int) -> Case:
        pair = INSTALLING[number]
        setting = testbed.setting(
            idle(3),
            public=testbed.publics[number % len(testbed.publics)],
            is_secure=number // 2 % 2 == 1,
            personal=testbed.owner(number),
            entropy=Entropy(b"install state %d" % number),
            adapt=with_installation,
        )
        settings = tuple(
            replace(setting, serve=wrapped(testbed.publishing(_OFFER), wrap))
            for wrap in (pair.first, pair.second, pair.others[0])
        )
        return Case(settings, judge_servers, _FAILING)

    question = (
        f"Do phones that install send nothing back that {len(INSTALLING)} pairs of servers say?"
    )
    return Battery("install-state", "N3", question, min(size, len(INSTALLING)), make)
