"""N2: how many values each field takes over a fleet, against what docs/PRIVACY.md declares.

Phones are compared poll by poll with those that are in the same public trust state.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from client_sim.lab.oracles.budget import NOBODY_DECLARED, find_budget
from client_sim.lab.oracles.fields import Field, decode_fields, name_channel
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.trust_state import TrustState, find_trust_states
from client_sim.lab.trace.observation import Observation

_SHOWN = 5  # values named in a sentence


@dataclass(frozen=True, slots=True)
class Count:
    """The values of one field in one place, of the phones in one trust state at one poll.

    `values` maps each value to the number of phones that showed it, the commonest first.
    """

    poll: int
    place: str
    field: str
    of: str
    values: Mapping[bytes, int]

    @property
    def phones(self) -> int:
        """How many phones have the field."""
        return sum(self.values.values())

    @property
    def least(self) -> int:
        """The size of the smallest crowd that shares a value: k."""
        return min(self.values.values())

    @property
    def entropy(self) -> float:
        """The bits that the field reveals on average, H."""
        total = self.phones
        return math.fsum(n / total * math.log2(total / n) for n in self.values.values())


def count_fields(observations: Iterable[Observation]) -> tuple[Count, ...]:
    """Count the values of each field over a fleet, by poll and public trust state.

    A field named `all` is the joint value of a whole poll without what an owner's choice asks for.
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
    """Find fields that take more values than they may; each names values and their crowds.

    `sizes` says how large the named alphabets are: `parts`, `models`, `packages`, `blocks`,
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
                f"same public trust state, where {most} may be: {shown}"
            ),
            data=rarest,
            offset=0,
            length=len(rarest),
            other=commonest,
            channel=name_channel(count.field),
            field=count.field,
        )


def _once(fields: Sequence[Field]) -> Iterator[Field]:
    """Yield repeated fields of one place as one: blocks of a package, a header that came twice."""
    ordered = sorted(fields, key=lambda field: (field.place, field.name, field.of))
    for (place, name, of), same in groupby(ordered, lambda f: (f.place, f.name, f.of)):
        values = [field.value for field in same]
        yield Field(place, name, of, b"\n".join(dict.fromkeys(values)))


def _joint(fields: Sequence[Field]) -> Field:
    own = [f for f in fields if f.of not in {"codename", "package", "picture"}]
    return Field("", "all", "poll", b"\n".join(b"%s" % f.value for f in own))
