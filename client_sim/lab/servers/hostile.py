"""Pairs of servers that say the same and differ in what is not content (claim N3).

A server that wants to know a phone again hands it something of its own and waits for it to come
back. Each pair does so in one way with other values; a client must leave the same trace for both. A
poll may fail because of it, but then for both.
"""

from typing import Final

from client_sim.lab.servers.hostile_answers import ANSWERS
from client_sim.lab.servers.hostile_bodies import BODIES
from client_sim.lab.servers.hostile_fields import FIELDS
from client_sim.lab.servers.pairs import HostilePair
from client_sim.lab.servers.replies import chain

# As many as a phone takes in one head; what replaces another's value comes last.
_COMMON: Final = tuple(pair for pair in FIELDS if pair.is_common)

TOGETHER: Final = HostilePair(
    "all fields together",
    "all",
    chain(tuple(pair.first for pair in _COMMON)),
    chain(tuple(pair.second for pair in _COMMON)),
    tuple(map(chain, zip(*(pair.others for pair in _COMMON), strict=True))),
)
"""What every field can hold at once."""

HOSTILE: Final[tuple[HostilePair, ...]] = (*FIELDS, *ANSWERS, *BODIES, TOGETHER)
