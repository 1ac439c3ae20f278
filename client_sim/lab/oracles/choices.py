"""Checks that a phone takes exactly the offers that its place in each rollout allows.

The place depends on the phone's secret and the release only (FORMATS section 4, bucket), so it does
not change with owner events.
"""

import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Channel, Connection, Observation
from client_sim.world import Public

_PACKAGE: Final = re.compile(rb"GET /targets/[a-z0-9_-]+/[a-z0-9_-]+/[a-z0-9_-]+/[^ ]+\.zip ")


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer at a poll: a build's counter, the phone's place, and the share in permille."""

    poll: int
    counter: int
    place: int
    permille: int

    @property
    def is_for_it(self) -> bool:
        """Whether the phone has to take the offer."""
        return self.place < self.permille


def place_of(secret: bytes, public: Public, counter: int) -> int:
    """Return the place, 0 to 999, of the phone with `secret` in the rollout of a build."""
    names = (public.codename, public.region, public.channel, str(counter))
    digest = hmac.digest(secret, b"\0".join(name.encode() for name in names), "sha256")
    return int.from_bytes(digest[:8], "big") % 1000


def judge_choices(
    observation: Observation, offered: Sequence[Offered], known: int
) -> tuple[Finding, ...]:
    """Find offers that a phone takes or skips contrary to its place.

    If the phone decides any of the first `known` offers otherwise than expected, it has another
    secret and is not judged.
    """
    taken = {c.phase: c for c in observation.connections() if _PACKAGE.search(c.data)}
    wrong = [each for each in offered if (f"poll {each.poll}" in taken) != each.is_for_it]
    if any(each in offered[:known] for each in wrong):
        return ()
    return tuple(_tell(wrong, taken))


def _tell(wrong: Sequence[Offered], taken: dict[str, Connection]) -> Iterator[Finding]:
    for each in wrong:
        phase = f"poll {each.poll}"
        data = taken[phase].data if phase in taken else b""
        start = match.start() if (match := _PACKAGE.search(data)) else 0
        does = "takes" if data else "does not take"
        yield Finding(
            phase,
            f"the phone {does} build {each.counter}, which is offered to {each.permille} of 1000"
            f" phones: the phone's place is {each.place}",
            data,
            start,
            len(data) - start,
            channel=Channel.BYTES.value,
            field="choice",
        )
