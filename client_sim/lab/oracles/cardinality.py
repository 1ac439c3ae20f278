"""N2: the number of values of each field over a fleet, against the budgets of docs/PRIVACY.md.

Phones are compared poll by poll with phones in the same public trust state. The budgets and crowd
sizes are a copy, which a test compares with the page.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final

from client_sim.lab.oracles.fields import Field, decode_fields, name_channel
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.trust_state import TrustState, find_trust_states
from client_sim.lab.trace.observation import Channel, Observation

NOBODY_DECLARED: Final[Mapping[str, int]] = MappingProxyType({"parts": 1})
"""Default sizes of the named alphabets: `latest` is not split."""
CROWDS: Final[Mapping[str, int]] = MappingProxyType({"codename": 4, "package": 4})
"""The smallest allowed crowd, k: each value must be shown by at least k phones."""
_SHOWN = 5  # values named in a sentence


@dataclass(frozen=True, slots=True)
class Budget:
    """A row: a field, the thing that has it, and its number of values in one trust state.

    `size` is a number, or the name of an alphabet: `parts`, `models`, `packages`, `pictures` or
    `blocks`.
    """

    field: str
    of: str
    size: str

    def most(self, sizes: Mapping[str, int]) -> int | None:
        """Return the number of values, or None for an alphabet without a known size."""
        return int(self.size) if self.size.isdigit() else sizes.get(self.size)


BUDGETS: Final = (
    Budget("names", "poll", "1"),
    Budget("connections", "poll", "1"),
    Budget("requests", "poll", "1"),
    Budget("address", "connection", "1"),
    Budget("port and TLS name", "connection", "1"),
    Budget("TLS parameters", "connection", "1"),
    Budget("pieces", "connection", "1"),
    Budget("close", "connection", "1"),
    Budget("repeats", "life", "1"),
    Budget("due time", "poll", "1"),
    Budget("method", "request", "1"),
    Budget("path", "request", "1"),
    Budget("path", "part", "parts"),
    Budget("path", "codename", "models"),
    Budget("path", "package", "packages"),
    Budget("path", "picture", "pictures"),
    Budget("version", "request", "1"),
    Budget("header names", "request", "1"),
    Budget("header Host value", "request", "1"),
    Budget("header Accept-Encoding value", "request", "1"),
    Budget("header Range value", "package", "blocks"),
)
"""The rows of the table; a field without a row must not occur."""


def find_budget(field: str, of: str) -> Budget:
    """Return the row of a field: that of the kind of request, or else that of all requests."""
    rows = {(row.field, row.of): row for row in BUDGETS}
    found = rows.get((field, of)) or rows.get((field, "request"))
    return Budget(field, of, "0") if found is None else found


@dataclass(frozen=True, slots=True)
class Count:
    """The values of a field in one place, over the phones in one trust state at one poll.

    `values` maps each value to the number of phones that showed it, the most common first.
    """

    poll: int
    place: str
    field: str
    of: str
    values: Mapping[bytes, int]

    @property
    def phones(self) -> int:
        """The number of phones with the field."""
        return sum(self.values.values())

    @property
    def least(self) -> int:
        """The size of the smallest crowd that shares a value, k."""
        return min(self.values.values())

    @property
    def entropy(self) -> float:
        """The bits that the field reveals on average, H (Shannon entropy)."""
        total = self.phones
        return math.fsum(n / total * math.log2(total / n) for n in self.values.values())


def count_fields(observations: Iterable[Observation]) -> tuple[Count, ...]:
    """Count the values of each field over a fleet, by poll and public trust state.

    The field `all` is the joint value of a whole poll, without requests that follow an owner's
    choice.
    """
    counted: dict[tuple[int, TrustState | None, str, str, str], Counter[bytes]] = {}
    for observation in observations:
        states = find_trust_states(observation)
        for poll, fields in decode_fields(observation).items():
            for field in (*_once(fields), _joint(fields)):
                key = (poll, states.get(poll), field.place, field.name, field.of)
                counted.setdefault(key, Counter())[field.value] += 1
    return tuple(
        Count(poll, place, name, of, dict(values.most_common()))
        for (poll, _, place, name, of), values in counted.items()
    )


def judge_cardinality(
    observations: Iterable[Observation], sizes: Mapping[str, int] = NOBODY_DECLARED
) -> tuple[Finding, ...]:
    """Find fields with more values than their budget; each finding names values and crowds.

    `sizes` has the sizes of the named alphabets: `parts`, `models`, `packages`, `blocks`,
    `pictures`.
    """
    return tuple(_findings(count_fields(observations), sizes))


def _findings(counts: Sequence[Count], sizes: Mapping[str, int]) -> Iterator[Finding]:
    for count in counts:
        most = None if count.field == "all" else find_budget(count.field, count.of).most(sizes)
        if most is None or len(count.values) <= most:
            continue
        *_, rarest = count.values
        commonest = next(iter(count.values))
        shown = ", ".join(f"{value!r} in {n}" for value, n in [*count.values.items()][-_SHOWN:])
        yield Finding(
            where=", ".join(filter(None, (f"poll {count.poll}", count.place))),
            explanation=(
                f"{count.field} has {len(count.values)} values among {count.phones} phones in the "
                f"same public trust state, but the budget is {most}: {shown}"
            ),
            data=rarest,
            offset=0,
            length=len(rarest),
            other=commonest,
            channel=name_channel(count.field),
            field=count.field,
        )


def _once(fields: Sequence[Field]) -> Iterator[Field]:
    """Yield repeated fields of one place as one: blocks of a package, a repeated header."""
    ordered = sorted(fields, key=lambda field: (field.place, field.name, field.of))
    for (place, name, of), same in groupby(ordered, lambda f: (f.place, f.name, f.of)):
        values = [field.value for field in same]
        yield Field(place, name, of, b"\n".join(dict.fromkeys(values)))


def _joint(fields: Sequence[Field]) -> Field:
    own = [f for f in fields if f.of not in {"codename", "package", "picture"}]
    return Field("", "all", "poll", b"\n".join(b"%s" % f.value for f in own))


def judge_crowds(
    observations: Iterable[Observation], crowds: Mapping[str, int] = CROWDS
) -> tuple[Finding, ...]:
    """Find values of an installation's fields that fewer than k phones of a fleet show.

    The fleet must have k or more phones of each kind (model, region, channel, build); otherwise
    clean phones are accused.
    """
    return tuple(
        Finding(
            where=f"poll {count.poll}, {count.place}",
            explanation=(
                f"{count.field} {rarest!r} is shown by {count.least} of {count.phones} phones, "
                f"but {crowds[count.of]} or more must share it"
            ),
            data=rarest,
            offset=0,
            length=len(rarest),
            channel=Channel.BYTES.value,
            field=count.field,
        )
        for count in count_fields(observations)
        if count.of in crowds and count.least < crowds[count.of]
        for *_, rarest in [count.values]
    )
