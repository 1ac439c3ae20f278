"""Leaks that wait until an operator splits `latest`, and then reveal more than a part (L56).

Each is the real client over a vendor's transport that sends requests for parts in its own way: no
byte differs, and no owner's data is read.
"""

import re
from typing import ClassVar, Final

from client_sim.lab.mutants.beneath import LeakingWorld, leak_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.world import Stream

_PART: Final = re.compile(rb"GET /(?:metadata/[0-9]+\.|log/proof/)latest-[0-9a-f]")
_LINE: Final = b"\r\n"
_FAMILY: Final = "L56"
_SPLIT: Final = ("split",)


class _InTwoByBuild(LeakingWorld):
    """Sends a request for a part as its line and the rest, on phones of an older build."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if _PART.match(data) is None or self.public.build.counter:
            stream.send(data)
            return
        middle = data.index(_LINE) + len(_LINE)
        stream.send(data[:middle])
        stream.send(data[middle:])


class ClosedTwice(LeakingWorld):
    """Closes a connection that asked for something twice, where a bit that was kept is set."""

    what: ClassVar[re.Pattern[bytes]] = _PART
    has_asked = False

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and close as the bit says."""
        self.has_asked = False
        return _TwiceClosed(self, super().connect(address, port, tls))

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send, and remember what was asked for."""
        self.has_asked = self.has_asked or self.what.match(data) is not None
        super().transmit(stream, data)


class _TwiceClosed:
    def __init__(self, world: ClosedTwice, inner: Stream) -> None:
        self._world = world
        self._inner = inner

    def send(self, data: bytes) -> None:
        self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        return self._inner.recv(limit)

    def close(self) -> None:
        self._inner.close()
        if self._world.has_asked and self._world.spy.keep("twice", 1)[0] & 1:
            self._inner.close()


MUTANTS: Final = (
    Mutant(
        "part-in-two-beneath",
        _FAMILY,
        "Where latest is split, phones of an older build send a part's request in two pieces.",
        leak_beneath(_InTwoByBuild),
        only=_SPLIT,
    ),
    Mutant(
        "part-closed-twice-beneath",
        _FAMILY,
        "Where latest is split, closes once or twice: a bit that was drawn once and kept.",
        leak_beneath(ClosedTwice),
        only=_SPLIT,
    ),
)
