"""N4: when a phone polls depends on fresh randomness alone. N2: a quiet phone repeats itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.distribution import judge_concentration, judge_distribution
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import (
    decode_intervals,
    judge_freshness,
    judge_history,
    judge_renewal,
)
from client_sim.lab.oracles.trust_state import judge_stationarity
from client_sim.lab.programme.case import Battery, Case, judge_same_bytes
from client_sim.lab.programme.setting import Setting
from client_sim.lab.programme.testbed import HUNDRED_DAYS, Testbed, secure
from client_sim.lab.scenarios.generators import (
    draw_interruption,
    idle,
    interrupted_polls,
    late_last_poll,
)
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.observation import Observation

_POLLS: Final = 5
_FRESH: Final = 4  # runs with other randomness in one poll
_STRIDE: Final = 20
_STRIDE_BEGINS: Final = 4
_LATE_POLLS: Final = 305
_STRETCH: Final = 10  # polls with other randomness, followed by as many with the same randomness


def timing(testbed: Testbed, size: int) -> Battery:
    """Change the randomness of all polls before one poll, then of that poll only; then the phone.

    - One run makes the poll at a time that was not drawn, which shows a phase that the client
      keeps.
    - One run has a power-off, a clock that is set back, or a reset after the poll. The phone must
      then draw the same as one whose earlier randomness differs.
    - One case in twenty compares polls late in a long scenario.

    The last two are only made in memory.
    """

    def make(number: int) -> Case:
        if number % _STRIDE == _STRIDE_BEGINS and testbed.upstream is None:
            return _make_late(testbed, number)
        tape = testbed.tape("timing", number)
        poll = 2 + number % (_POLLS - 1)
        seed = tape.data(8)
        setting = testbed.setting(
            idle(_POLLS),
            is_secure=number % 2 == 1,
            personal=testbed.owner(number),
            entropy=Entropy(seed),
        )
        before = {earlier: tape.data(8) for earlier in range(poll)}
        fresh = [Entropy(seed, {poll: tape.data(8)}) for _ in range(_FRESH)]
        late = replace(setting, scenario=late_last_poll(poll))
        breaks: tuple[Setting, ...] = ()
        if testbed.upstream is None:  # a real server's metadata expires in months without power
            interrupted = replace(
                setting, scenario=interrupted_polls(poll, draw_interruption(number, tape))
            )
            breaks = (interrupted, replace(interrupted, entropy=Entropy(seed, before)))
        settings = (
            setting,
            replace(setting, entropy=Entropy(seed, before)),
            replace(setting, public=testbed.publics[(5 + 2 * number) % len(testbed.publics)]),
            late,
            replace(late, entropy=Entropy(seed, before)),
            *(replace(setting, entropy=each) for each in fresh),
            *breaks,
        )

        def judge(observations: Sequence[Observation]) -> tuple[Finding, ...]:
            first, history, other_phone, late, late_history, *others = observations
            fresh, interrupted = others[:_FRESH], others[_FRESH:]
            return (
                *judge_history(first, history, (poll,)),
                *judge_history(first, other_phone, range(1, _POLLS + 1)),
                *judge_history(late, late_history, (poll,)),
                *judge_freshness([(first, other) for other in fresh], poll),
                *(
                    judge_history(interrupted[0], interrupted[1], range(poll, poll + 3))
                    if interrupted
                    else ()
                ),
            )

        return Case(settings, judge)

    question = "Is each interval drawn afresh, independent of the phone and of earlier intervals?"
    return Battery("timing", "N4", question, size, make)


def _make_late(testbed: Testbed, number: int) -> Case:
    """Compare long runs of two phones whose randomness differs in every second stretch of polls.

    Half of the cases begin with such a stretch, and half with one of the same randomness.
    """
    tape = testbed.tape("timing", number)
    seed = tape.data(8)
    setting = testbed.setting(
        idle(_LATE_POLLS),
        is_secure=number // _STRIDE % 2 == 0,
        personal=testbed.owner(number),
        entropy=Entropy(seed),
    )
    begins = range(number // _STRIDE % 2 * _STRETCH, _LATE_POLLS, 2 * _STRETCH)
    changed = [range(first, first + _STRETCH) for first in begins]
    instead = {poll: tape.data(8) for polls in changed for poll in polls}
    public = testbed.publics[(5 + 2 * number) % len(testbed.publics)]
    other = replace(
        setting,
        public=secure(public) if setting.public.tls else public,
        personal=testbed.owner(number + 1),
        entropy=Entropy(seed, instead),
    )

    def judge(observations: Sequence[Observation]) -> tuple[Finding, ...]:
        one, other = observations
        same = {*range(1, _LATE_POLLS + 1)}.difference(*changed)
        return (
            *judge_same_bytes(observations),
            *judge_history(one, other, same),
            *(found for polls in changed for found in judge_renewal(one, other, polls)),
        )

    return Case((setting, other), judge)


def stationarity(testbed: Testbed, size: int) -> Battery:
    """Let one phone poll many times while nothing happens."""

    def make(number: int) -> Case:
        setting = testbed.setting(
            idle(30),
            is_secure=number % 2 == 1,
            personal=testbed.owner(number),
            entropy=Entropy(b"still %d" % number),
        )
        return Case((setting,), lambda observations: judge_stationarity(observations[0]))

    question = "Does a phone send the same requests in every poll while nothing happens?"
    return Battery("stationarity", "N2", question, size, make)


def phases(testbed: Testbed, size: int) -> Battery:
    """Let one phone poll for a hundred days, and search its times for a pattern.

    A pattern is a preferred hour, minute or bit. The judges also look for a poll that differs from
    the others, which could come too late for shorter runs.
    """

    def make(number: int) -> Case:
        return Case((testbed.long_setting(number),), _judge_phases)

    question = f"Are {HUNDRED_DAYS} polls or more the same, and do their times have no pattern?"
    return Battery("phases", "N4", question, size, make)


def _judge_phases(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    (observation,) = observations
    seconds = [interval.seconds for interval in decode_intervals(observation)]
    return (
        *judge_concentration(observation),
        *judge_distribution(seconds),
        *judge_stationarity(observation),
    )
