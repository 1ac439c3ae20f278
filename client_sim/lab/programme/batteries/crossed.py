"""N1 and N3 under combined conditions: a fault with an event, an offer, a mark, a reset, and so on.

A leak may need two or three conditions together that other batteries have one at a time: a call and
a refused connection, a cookie and a restart, an offer and a reset.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Final

from client_sim.lab.clients.installing import with_installation
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import judge_history
from client_sim.lab.programme.batteries.servers import judge_servers
from client_sim.lab.programme.case import Battery, Case, judge_same_polls, without_quiet_steps
from client_sim.lab.programme.conditions import (
    FACTORS,
    TRIPLE_FACTORS,
    choose_fault,
    choose_mark,
    publish,
    spoil,
)
from client_sim.lab.programme.covering import Crossings, Row, cover, measure
from client_sim.lab.programme.setting import leave_unchanged
from client_sim.lab.programme.testbed import Testbed
from client_sim.lab.scenarios.generators import POLLS, crossed_scenario, with_idle_steps
from client_sim.lab.servers.replies import wrapped
from client_sim.lab.trace.machine import grow_older, make_machine
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.observation import Observation
from client_sim.tape import Tape

# The canary search would take as long as the runs; comparing owners also shows leaked values.
_FAILING: Final = frozenset({"completes", "canaries"})
# Without a connection there are no requests, and a host name may be resolved again.
_UNREACHED: Final = _FAILING | {"grammar", "egress"}
_PHONES: Final = 4
_ALTERED: Final = 2  # the phone whose machine changes after each poll


def crossed(testbed: Testbed, size: int) -> Battery:
    """Run four phones under one row of conditions, each with its own machine and owner.

    - The second phone polls as often as the others, but receives none of the events.
    - The machine of the third changes after each poll.
    - Their servers differ in something other than content, if the row says so.
    - The fourth has other randomness in its first polls; the intervals after them are compared.
    """
    rows = list_rows(testbed.seed, size)

    def make(number: int) -> Case:
        return _make_case(testbed, number, rows[number % len(rows)])

    question = (
        f"Do phones stay alike when {len(FACTORS)} conditions are combined, such as an event with a"
        " fault and a restart?"
    )
    return Battery("crossed", "N1", question, size, make)


def measure_crossings(seed: int, size: int) -> Crossings:
    """Measure which pairs of levels, and triples of some factors, `size` cases cover."""
    rows = list_rows(seed, size)
    pairs = measure(rows, FACTORS, tuple(FACTORS), 2)
    return Crossings(FACTORS, (pairs, measure(rows, FACTORS, TRIPLE_FACTORS, 3)))


@lru_cache(maxsize=4)
def list_rows(seed: int, size: int) -> tuple[Row, ...]:
    """Return the rows of at most `size` cases."""
    return tuple(islice(cover(FACTORS, TRIPLE_FACTORS, Tape(f"{seed} crossings".encode())), size))


def _make_case(testbed: Testbed, number: int, row: Row) -> Case:
    tape = testbed.tape("crossed", number)
    eventful = crossed_scenario(row, tape)
    serve = publish(testbed, row, tape)
    mark, fault = choose_mark(row, tape), choose_fault(row, tape)
    # The second half of the phones run the last build but one, for which there is an incremental
    # package.
    half = len(testbed.publics) // 2
    public = testbed.publics[tape.below(half) + (half if row["install"] == "step" else 0)]
    setting = testbed.setting(
        eventful,
        public=public,
        is_secure=row["carrier"] == "TLS",
        is_private=row["addresses"] == "private",
        entropy=Entropy(tape.data(8)),
        start=testbed.start + tape.below(testbed.spread),
        serve=serve,
        adapt=leave_unchanged if row["install"] == "none" else with_installation,
    )
    settings = [
        replace(
            setting,
            scenario=scenario,
            personal=testbed.owner(_PHONES * number + place),
            machine=make_machine(tape.data(8)),
        )
        for place, scenario in enumerate((eventful, with_idle_steps(eventful), eventful, eventful))
    ]
    first_compared = 2 + tape.below(3)
    before = {poll: tape.data(8) for poll in range(first_compared)}
    settings[-1] = replace(settings[-1], entropy=Entropy(setting.entropy.seed, before))
    third = settings[_ALTERED]
    settings[_ALTERED] = replace(third, altered=grow_older(third.machine, tape, POLLS - 1))
    if mark is not None:
        wraps = (mark.first, mark.second, mark.others[0], mark.first)
        settings = [
            replace(each, serve=wrapped(serve, wrap))
            for each, wrap in zip(settings, wraps, strict=True)
        ]
    if fault is not None:
        # The fault is outermost, so that it cuts or drops an answer that already has its mark.
        settings = [replace(each, serve=spoil(each.serve, fault, row)) for each in settings]
    skipped = _FAILING if fault is None or fault.is_reached else _UNREACHED
    judge_alike = judge_same_polls if mark is None else _judge_marked

    def judge(observations: Sequence[Observation]) -> tuple[Finding, ...]:
        *alike, other = observations
        remembered = judge_history(alike[0], other, range(first_compared, POLLS + 1))
        return (*judge_alike(alike), *remembered)

    return Case(
        tuple(settings),
        judge,
        # An installation takes time after the interval was drawn, which shortens the interval.
        skipped if row["install"] == "none" else skipped | {"schedule"},
    )


def _judge_marked(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Compare phones whose servers differ, and name the server values that were sent back."""
    return judge_servers([*map(without_quiet_steps, observations)])
