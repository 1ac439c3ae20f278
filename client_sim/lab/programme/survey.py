"""Surveys for the report: how much each field of a request reveals, and when a client polls."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.cardinality import NOBODY_DECLARED, Count, count_fields, find_budget
from client_sim.lab.oracles.timing import decode_intervals
from client_sim.lab.programme.result import FieldEntropy
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.testbed import Testbed
from client_sim.lab.scenarios.generators import idle
from client_sim.lab.trace.memory import Entropy
from client_sim.world import Factory

_POLLS: Final = 25
_JOINT: Final = "all"  # the cardinality oracle's name for a whole poll


def survey_fields(factory: Factory, testbed: Testbed, phones: int) -> tuple[FieldEntropy, ...]:
    """Count the values of each field in polls of phones that share only the public trust state.

    Each row has the most values, the most bits and the smallest crowd of a field at any poll, and
    the bits that its budget allows.
    """
    observations = []
    for phone in range(phones):
        setting = testbed.setting(
            idle(3),
            public=testbed.publics[phone % len(testbed.publics)],
            personal=testbed.owner(phone),
            entropy=Entropy(b"field %d" % phone),
            start=testbed.start + phone * 61,
        )
        observations.append(observe(factory, setting))
    fields: dict[tuple[str, str], list[Count]] = {}
    for count in count_fields(observations):
        fields.setdefault((count.field, count.of), []).append(count)
    return tuple(_row(*named, counts) for named, counts in sorted(fields.items()))


def survey_intervals(factory: Factory, testbed: Testbed, phones: int) -> tuple[float, ...]:
    """Return the intervals that undisturbed phones draw between polls, in seconds."""
    setting = testbed.setting(idle(_POLLS))
    return tuple(
        round(interval.seconds, 3)
        for phone in range(phones)
        for interval in decode_intervals(
            observe(
                factory,
                replace(
                    setting, personal=testbed.owner(phone), entropy=Entropy(b"interval %d" % phone)
                ),
            )
        )
    )


def _row(field: str, of: str, counts: Iterable[Count]) -> FieldEntropy:
    rows = tuple(counts)
    most = 1 if field == _JOINT else find_budget(field, of).most(NOBODY_DECLARED) or 0
    return FieldEntropy(
        field="the whole poll" if field == _JOINT else f"{field} ({of})",
        distinct=max(len(count.values) for count in rows),
        bits=max(count.entropy for count in rows),
        budget_bits=math.log2(most) if most else 0.0,
        min_k=min(count.least for count in rows),
    )
