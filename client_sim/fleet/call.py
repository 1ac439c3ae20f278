"""One active phone: its exchange with the server, its place in the tree, and its download."""

import hashlib
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from client_sim.device.choose import Offer
from client_sim.device.download import package_url
from client_sim.fleet.answer_tree import Edge
from client_sim.fleet.answers import Came, Head
from client_sim.fleet.loader import Exchange, Wire
from client_sim.fleet.tally import Failure
from client_sim.transport import BLOCK, encode_block_request

if TYPE_CHECKING:
    from client_sim.device.release import Release

_ROOM: Final = 262_144  # bytes of a package that are received in one call


class Purpose(IntEnum):
    """The purpose of a phone's connection."""

    POLL = 0
    FETCH = 1
    LOOK = 2


class Load:
    """A package during its download: complete blocks so far, and the sha256 of their bytes."""

    __slots__ = ("_digest", "_running", "first", "left", "offer")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._digest = hashlib.sha256()
        self._running = self._digest
        self.first = 0
        self.left = 0

    @property
    def is_whole(self) -> bool:
        """Whether no block is missing."""
        return self.first >= self.offer.length

    def request(self, host: str) -> bytes:
        """Begin the next block and return its request."""
        last = min(self.first + BLOCK, self.offer.length) - 1
        self.left = last + 1 - self.first
        self._running = self._digest.copy()
        return encode_block_request(host, package_url(self.offer), self.first, last)

    def begin(self, head: Head) -> str:
        """Return why `head` is not that of the block, or an empty text."""
        last = self.first + self.left - 1
        part = b"bytes %d-%d/%d" % (self.first, last, self.offer.length)
        found = (head.status, head.is_gzip, head.length, head.content_range)
        if found == (206, False, self.left, part):
            return ""
        said = head.content_range.decode("latin-1")
        return f"status {head.status}, {head.length} bytes {said}".rstrip()

    def receive(self, wire: Wire) -> int:
        """Receive bytes of the block once; returns how many, 0 at the end of the connection."""
        data = wire.recv(_ROOM)
        self.add(data)
        return len(data)

    def add(self, data: bytes) -> None:
        """Add bytes of the block; too many are a ValueError."""
        self.left -= len(data)
        if self.left < 0:
            raise ValueError("more bytes than the block has")
        self._running.update(data)
        if not self.left:
            self._digest = self._running
            self.first = min(self.first + BLOCK, self.offer.length)

    def is_right(self) -> bool:
        """Tell whether the whole package has the signed hash."""
        return self._digest.hexdigest() == self.offer.sha256


class Steps(Protocol):
    """Callbacks for the result of a request."""

    def follow(self, call: "Call", edge: Edge) -> None: ...  # noqa: D102
    def take_answer(self, call: "Call", came: Came) -> None: ...  # noqa: D102
    def take_block(self, call: "Call") -> None: ...  # noqa: D102
    def end_early(self, call: "Call", why: Failure, detail: str) -> None: ...  # noqa: D102
    def note_latency(self, sent_at: float, polls: int = 1) -> None: ...  # noqa: D102


class Call(Exchange):
    """The current exchange of a phone; `steps` say how it goes on.

    It was due at tick `begun`, when its own clock said `now`. `breaks` says that the phone's
    network will fail.
    """

    __slots__ = ("begun", "breaks", "load", "now", "offer", "purpose", "release", "steps")

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self.begun = 0
        self.now = 0.0
        self.purpose = Purpose.POLL
        self.breaks = False
        self.offer: Offer | None = None
        self.load: Load | None = None
        self.release: Release | None = None

    def again(self) -> None:
        """Follow the edge of the last answer."""
        assert self.node is not None
        self.steps.note_latency(self.sent_at)
        self.steps.follow(self, self.node.last_edge)

    def answer(self, came: list[Came]) -> None:
        """Look for the hash of a new answer."""
        self.steps.note_latency(self.sent_at)
        self.steps.take_answer(self, came[0])

    def whole(self) -> None:
        """Go on after a block."""
        self.steps.take_block(self)

    def end_early(self, why: Failure, detail: str = "") -> None:
        """Stop until the phone's next poll."""
        self.steps.end_early(self, why, detail)
