"""A pair of servers, and the values in which its two differ."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from client_sim.lab.servers.replies import Alter, Reply, Wrap, alter_replies
from client_sim.lab.trace.memory import Asked, Responder


@dataclass(frozen=True, slots=True)
class Mark:
    """What one of two servers hands to a phone: at least 64 bits in each of them.

    `text` is a token, `number` seconds, `date` a time as HTTP writes it.
    """

    text: str
    number: int
    date: str

    def fill(self, text: str, host: str = "") -> str:
        """Put the values in place of {t}, {n} and {d} in a text, and the host of {h}."""
        return text.format(t=self.text, n=self.number, d=self.date, h=host)


FIRST: Final = Mark("5f0c6b1e9a7d4c33b2e8f1a09d5576e4", 1_801, "Tue, 03 Feb 2026 04:05:06 GMT")
# A client might send back one bit of whatever it derives from a value. In each bit of a number, and
# in the parity of a length, some of these differ; in a bit of a digest, which was not chosen, all
# eight are alike once in 128 times.
OTHERS: Final = (
    Mark("c41d88a2f36e4b07915c0de27a83fb16e90", 9_007, "Thu, 19 Mar 2026 23:59:58 GMT"),
    Mark("fd467f4d9c3f243e236037072d4f0d39d", 412, "Sun, 11 Jan 2026 17:38:41 GMT"),
    Mark("ef9598272d42e8121cb1f590154dbf556d", 54_326, "Fri, 26 Dec 2025 09:14:27 GMT"),
    Mark("dc6013344d2112fb2632d71b144d52a2", 7_250, "Thu, 30 Apr 2026 12:00:00 GMT"),
    Mark("1bab294434a2edab282943001c7bc0a", 33_585, "Sat, 21 Feb 2026 20:47:19 GMT"),
    Mark("706ea8e1d93b77ea7265a77b906c1790115", 2_996, "Mon, 08 Jul 2024 01:30:33 GMT"),
    Mark("c0310099b4c71e673b2185dcfda820fc", 16_148, "Wed, 06 May 2026 06:22:52 GMT"),
)


@dataclass(frozen=True, slots=True)
class HostilePair:
    """Servers around a server that differ from each other in `field`.

    `first` hands out one value, `second` another one with each answer, so that one bit of what is
    sent back differs sooner or later; each of `others` has one value again, for clients that keep
    what they heard first. `is_common` says that many such pairs fit into one answer and leave it
    valid. `is_timed` says that its servers differ in how long they take, so that times do, too.
    """

    name: str
    field: str
    first: Wrap
    second: Wrap
    others: tuple[Wrap, ...] = ()
    is_common: bool = False
    is_timed: bool = False


def make_pair(
    name: str, field: str, make: Callable[[Mark], Alter], *, is_common: bool = False
) -> HostilePair:
    """Make the pair of the alterations that `make` gives for the marks."""
    alters = tuple(map(make, OTHERS))
    return HostilePair(
        name,
        field,
        alter_replies(make(FIRST)),
        _taking_turns(alters),
        tuple(map(alter_replies, alters)),
        is_common,
    )


def _taking_turns(alters: tuple[Alter, ...]) -> Wrap:
    """Make the wrap in which each answer is altered by the next one."""

    def wrap(respond: Responder) -> Responder:
        turns = cycle(alters)

        def alter(asked: Asked, target: str, reply: Reply) -> Reply:
            return next(turns)(asked, target, reply)

        return alter_replies(alter)(respond)

    return wrap
