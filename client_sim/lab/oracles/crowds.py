"""N2 for installations: no phone is alone with a request that reveals a model or a build.

How few phones may share such a request is declared in docs/PRIVACY.md; this is this package's own
copy: a test compares it with the page.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from client_sim.lab.oracles.cardinality import count_fields
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Channel, Observation

CROWDS: Final[Mapping[str, int]] = MappingProxyType({"codename": 4, "package": 4})
"""The smallest crowd, k, by what a field is of: so many phones show each of its values."""


def judge_crowds(
    observations: Iterable[Observation], crowds: Mapping[str, int] = CROWDS
) -> tuple[Finding, ...]:
    """Find values of an installation's fields that fewer than k phones of a fleet show.

    Of each kind of phone (model, region, channel, build) the fleet must have k or more, or clean
    ones are accused.
    """
    return tuple(
        Finding(
            where=f"poll {count.poll}, {count.place}",
            explanation=(
                f"{count.field} {rarest!r} is shown by {count.least} of {count.phones} phones, "
                f"where {crowds[count.of]} or more must share it"
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
