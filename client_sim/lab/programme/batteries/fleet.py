"""N2: a fleet of phones is one anonymity set, and the same phone behaves the same twice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from client_sim.lab.clients.loading import import_again
from client_sim.lab.oracles.cardinality import (
    CROWDS,
    NOBODY_DECLARED,
    judge_cardinality,
    judge_crowds,
)
from client_sim.lab.oracles.completion import name_part
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.case import Battery, Case, Judge, judge_same_trace
from client_sim.lab.programme.testbed import WEEK, Testbed
from client_sim.lab.scenarios.generators import idle, random_scenario
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.observation import Observation
from client_sim.world import Public

_KIND: Final = 2 * max(CROWDS.values())  # phones of one kind that install in one case
_PARTS: Final = 16  # parts of `latest`; phones in one of them are also in one part of four
_GROUP: Final = 8  # phones that are compared together
_FEW: Final = 3  # phones in a case that lasts until everything was published three times
_STRIDE: Final = 80
_ONE_KIND: Final = 3
_SCENARIO: Final = idle(4)
_LONG_SCENARIO: Final = idle(44)


def determinism(testbed: Testbed, size: int) -> Battery:
    """Run the same phone twice, which shows randomness from outside its world.

    For the second run its module is imported again, which also shows state kept in the module.
    """

    def make(number: int) -> Case:
        tape = testbed.tape("determinism", number)
        setting = testbed.setting(
            random_scenario(tape, 3),
            public=tape.pick(testbed.publics),
            personal=testbed.owner(number),
            entropy=Entropy(tape.data(8)),
            serve=testbed.changing(number),
        )
        return Case((setting, replace(setting, adapt=import_again)), judge_same_trace)

    question = "Do two runs of the same phone leave the same trace?"
    return Battery("determinism", "guard", question, size, make)


def fleet(testbed: Testbed, size: int) -> Battery:
    """Compare phones that differ in everything but the public trust state.

    Each case has `_GROUP` phones of different models, owners, randomness and clocks. The first is
    the same in all cases, so that all phones with TLS, and all without, are compared with each
    other. In a quarter of the cases all phones are of one kind, so those that request a package
    must request the same one. A few of these cases continue until much was published.
    """

    def make(number: int) -> Case:
        tape = testbed.tape("fleet", number)
        serve = testbed.changing(number) if number % 2 else testbed.quiet
        is_secure = number // 2 % 2 == 1
        is_one_kind = number % 4 == _ONE_KIND
        # A real server's signatures may be valid for some days only.
        is_long = number % _STRIDE == _ONE_KIND and testbed.upstream is None
        scenario = _LONG_SCENARIO if is_long else _SCENARIO
        others = []
        for place in range(_FEW if is_long else _GROUP - 1):
            phone = number * (_GROUP - 1) + place
            kind = number if is_one_kind else phone
            others.append(
                testbed.setting(
                    scenario,
                    public=testbed.publics[kind % len(testbed.publics)],
                    is_secure=is_secure,
                    personal=testbed.owner(phone),
                    entropy=Entropy(tape.data(8)),
                    # In half of the cases in any month, because a client may wait for one.
                    start=testbed.start + tape.below(testbed.spread if number % 4 > 1 else WEEK),
                    serve=serve,
                )
            )
        if is_one_kind:
            return Case((*others,), _judge_one_kind)
        first = testbed.setting(
            _SCENARIO, is_secure=is_secure, entropy=Entropy(b"first"), serve=serve
        )
        return Case((first, *others), judge_cardinality)

    question = "Do all phones of the fleet send the same bytes, whatever they are?"
    return Battery("fleet", "N2", question, size, make)


def _judge_one_kind(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    return judge_cardinality(observations, {**NOBODY_DECLARED, "models": 1, "packages": 1})


def split(testbed: Testbed, size: int) -> Battery:
    """Compare phones whose channels are in the same part of a `latest` that is split meanwhile.

    There are two phones of each model, region and channel, with different builds, owners,
    randomness and clocks.
    """

    def make(number: int) -> Case:
        tape = testbed.tape("split", number)
        settings = tuple(
            testbed.setting(
                idle(8),
                # Each of the six orders of events, with and without TLS.
                public=public,
                is_secure=(number + number // 6) % 2 == 1,
                personal=testbed.owner(number + place * size),
                entropy=Entropy(tape.data(8)),
                start=testbed.start + tape.below(WEEK),
                serve=testbed.splitting(number),
            )
            for place, public in enumerate(testbed.publics)
        )
        return Case(settings, _judge_split(testbed.publics))

    question = "If latest is split, do phones with channels in the same part send the same bytes?"
    return Battery("split", "N2", question, size, make)


def _judge_split(publics: Sequence[Public]) -> Judge:
    """Judge the phones of each part as a fleet, and all phones by the budget of a split."""
    parts = [name_part(public, _PARTS) for public in publics]

    def judge(observations: Sequence[Observation]) -> tuple[Finding, ...]:
        findings = [*judge_cardinality(observations, {"parts": _PARTS})]
        for part in sorted(set(parts)):
            own = [each for each, its in zip(observations, parts, strict=True) if its == part]
            findings += judge_cardinality(own)
        return tuple(findings)

    return judge


def downloads(testbed: Testbed, size: int) -> Battery:
    """Let phones of two kinds poll, and install if they do so on their own.

    A kind is a model, region and channel. Half of its phones run the next build. There is no
    incremental package, so all of them must request the same one.
    """

    def make(number: int) -> Case:
        tape = testbed.tape("downloads", number)
        kinds = {testbed.publics[(2 * number + place) % len(testbed.publics)] for place in range(2)}
        settings = tuple(
            testbed.setting(
                idle(2),
                public=_running_next(public) if place % 2 else public,
                personal=testbed.owner(number + place * size),
                entropy=Entropy(tape.data(8)),
                start=testbed.start + tape.below(WEEK),
            )
            for public in sorted(kinds, key=testbed.publics.index)
            for place in range(_KIND)
        )
        return Case(settings, judge_installing(len({k.codename for k in kinds}), len(kinds)))

    question = (
        f"Does each request of an installation come from {min(CROWDS.values())} phones or more?"
    )
    return Battery("downloads", "N2", question, size, make)


def _running_next(public: Public) -> Public:
    """Return the same phone with the build that follows its own."""
    build = public.build
    later = replace(build, incremental=f"{build.incremental}0", counter=build.counter + 1)
    return replace(public, build=later)


def judge_installing(models: int, packages: int) -> Judge:
    """Return the judge of a fleet of `models` models, to which `packages` packages are offered."""
    sizes = {**NOBODY_DECLARED, "models": models, "packages": packages}

    def judge(observations: Sequence[Observation]) -> tuple[Finding, ...]:
        return (*judge_crowds(observations), *judge_cardinality(observations, sizes))

    return judge
