"""A pair of servers, and the values in which its two differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from client_sim.lab.servers.replies import Alter, Wrap, alter_replies


@dataclass(frozen=True, slots=True)
class Mark:
    """What one of two servers hands to a phone: at least 64 bits in each of them.

    `text` is a token, `number` seconds, `date` a time as HTTP writes it.
    """

    text: str
    number: int
    date: str


FIRST: Final = Mark("5f0c6b1e9a7d4c33b2e8f1a09d5576e4", 1_801, "Tue, 03 Feb 2026 04:05:06 GMT")
# Longer, too: a client might bring back the length alone.
SECOND: Final = Mark("c41d88a2f36e4b07915c0de27a83fb16e90", 9_007, "Thu, 19 Mar 2026 23:59:58 GMT")


@dataclass(frozen=True, slots=True)
class HostilePair:
    """Two servers around a server; `field` is where they differ.

    `is_common` tells that many such pairs fit into one answer and leave it a good one.
    """

    name: str
    field: str
    first: Wrap
    second: Wrap
    is_common: bool = False


def make_pair(
    name: str, field: str, make: Callable[[Mark], Alter], *, is_common: bool = False
) -> HostilePair:
    """Make the pair of the two alterations that `make` gives for the two marks."""
    first, second = (alter_replies(make(mark)) for mark in (FIRST, SECOND))
    return HostilePair(name, field, first, second, is_common)
