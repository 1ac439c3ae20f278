"""One active phone: its exchange with the server, its place in the tree, and its download.

With kept connections, both requests of several phones' polls are sent in one packet: in a poll that
finds nothing new, the second request does not depend on the first answer. Real phones, and a fleet
by default, send them one after the other on the phone's own connection. Packets serve to measure
how much load one core can put on a server.
"""

import hashlib
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from client_sim.device.choose import Offer
from client_sim.device.download import package_url
from client_sim.fleet.answer_tree import Edge, Node, Place
from client_sim.fleet.answers import Answer, Head
from client_sim.fleet.lines import Lines
from client_sim.fleet.loader import Exchange, Loader, Wire
from client_sim.fleet.tally import Failure
from client_sim.transport import BLOCK, encode_block_request

if TYPE_CHECKING:
    from client_sim.device.release import Release

_RECEIVE_SIZE: Final = 262_144  # bytes of a package to receive in one call
SIZE: Final = 8
"""Maximum polls in a packet."""


class Purpose(IntEnum):
    """The purpose of a phone's connection."""

    POLL = 0
    FETCH = 1
    RECHECK = 2


class Load:
    """A package during its download, and the sha256 of its complete blocks.

    `first` is the offset of the current block, `left` the number of its missing bytes.
    """

    __slots__ = ("_digest", "_running", "first", "left", "offer")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._digest = hashlib.sha256()
        self._running = self._digest
        self.first = 0
        self.left = 0

    @property
    def is_complete(self) -> bool:
        """Whether no block is missing."""
        return self.first >= self.offer.length

    def request(self, host: str) -> bytes:
        """Begin the next block and return its request."""
        last = min(self.first + BLOCK, self.offer.length) - 1
        self.left = last + 1 - self.first
        self._running = self._digest.copy()
        return encode_block_request(host, package_url(self.offer), self.first, last)

    def begin(self, head: Head) -> str:
        """Return the reason why `head` is not that of the block, or an empty text."""
        last = self.first + self.left - 1
        part = b"bytes %d-%d/%d" % (self.first, last, self.offer.length)
        found = (head.status, head.is_gzip, head.length, head.content_range)
        if found == (206, False, self.left, part):
            return ""
        content_range = head.content_range.decode("latin-1")
        return f"status {head.status}, {head.length} bytes {content_range}".rstrip()

    def receive(self, wire: Wire) -> int:
        """Receive bytes of the block; return their number, 0 at the end of the connection."""
        data = wire.recv(_RECEIVE_SIZE)
        self.add(data)
        return len(data)

    def add(self, data: bytes) -> None:
        """Add bytes of the block; raises ValueError if they are too many."""
        self.left -= len(data)
        if self.left < 0:
            raise ValueError("more bytes than the block has")
        self._running.update(data)
        if not self.left:
            self._digest = self._running
            self.first = min(self.first + BLOCK, self.offer.length)

    def is_valid(self) -> bool:
        """Tell whether the whole package has the signed hash."""
        return self._digest.hexdigest() == self.offer.sha256


class Steps(Protocol):
    """Callbacks for the result of a request."""

    def follow(self, call: "Call", edge: Edge) -> None: ...  # noqa: D102
    def take_answer(self, call: "Call", answer: Answer) -> None: ...  # noqa: D102
    def take_block(self, call: "Call") -> None: ...  # noqa: D102
    def end_early(self, call: "Call", why: Failure, detail: str) -> None: ...  # noqa: D102
    def note_latency(self, sent_at: float, polls: int = 1) -> None: ...  # noqa: D102
    def answer_pair(self, call: "Call", pair: "Pair", first: Answer, second: Answer) -> None: ...  # noqa: D102


class Call(Exchange):
    """The current exchange of a phone; `steps` has the callbacks that continue it.

    The poll was due at tick `due_tick`, when the phone's own clock said `now`. `breaks` says that
    the phone's network will fail.
    """

    __slots__ = ("breaks", "due_tick", "load", "now", "offer", "purpose", "release", "steps")

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self.due_tick = 0
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

    def answer(self, answers: list[Answer]) -> None:
        """Continue after an answer that differs from the last one."""
        self.steps.note_latency(self.sent_at)
        self.steps.take_answer(self, answers[0])

    def finish_body(self) -> None:
        """Continue after a complete block."""
        self.steps.take_block(self)

    def end_early(self, why: Failure, detail: str = "") -> None:
        """Stop until the phone's next poll."""
        self.steps.end_early(self, why, detail)


class Pair:
    """The two requests of an idle poll: `first`, and `second`, which follows the answer `edge`.

    `packets` has the nodes for packets of 1 to `SIZE` polls.
    """

    __slots__ = ("edge", "first", "line", "packets", "second")

    def __init__(self, first: Node, edge: Edge, second: Node, lines: Lines) -> None:
        self.first, self.edge, self.second = first, edge, second
        self.line = lines.pair(first.line, second.line)
        self.packets = [Node(self.line, 2 * polls) for polls in range(1, SIZE + 1)]
        self.keep(first.last + second.last, second.last_edge)

    def keep(self, data: bytes, edge: Edge) -> None:
        """Cache both answers by all their bytes."""
        for polls, packet in enumerate(self.packets, 1):
            packet.data = self.line.data * polls
            packet.keep(data * polls, edge)


class Pairs:
    """The pairs of a worker, by their first node; `lines` counts their requests."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._pairs: dict[Node, Pair] = {}

    def find(self, place: Place) -> Pair | None:
        """Return the pair that begins at `place`, or None.

        There is one if the last answers were those of an idle poll: a 404 and a timestamp.
        """
        if place.__class__ is not Node:
            return None
        edge = place.last_edge
        pair = self._pairs.get(place)
        if pair is not None and pair.edge is edge:
            return pair
        second = edge.following
        if edge.status != 404 or not isinstance(second, Node) or not second.last_edge.version:
            return None
        pair = self._pairs[place] = Pair(place, edge, second, self._lines)
        return pair


class Packet(Exchange):
    """Polls of `calls` that send the requests of `pair`, one poll after the other."""

    __slots__ = ("_loader", "calls", "pair")

    def __init__(self, loader: "PacketLoader", pair: Pair) -> None:
        super().__init__()
        self._loader = loader
        self.pair = pair
        self.calls: list[Call] = []

    def again(self) -> None:
        """Continue all polls with the edge of the last answers."""
        node = self._finish()
        for call in self.calls:
            call.steps.follow(call, node.last_edge)

    def answer(self, answers: list[Answer]) -> None:
        """Continue each poll with its two answers."""
        self._finish()
        for call, first, second in zip(self.calls, answers[::2], answers[1::2], strict=True):
            call.steps.answer_pair(call, self.pair, first, second)

    def finish_body(self) -> None:
        """Raise AssertionError: a packet never sets `body`."""
        raise AssertionError

    def end_early(self, why: Failure, detail: str = "") -> None:
        """End all polls."""
        self._loader.close(self, is_good=False)
        for call in self.calls:
            call.node = self.node
            call.end_early(why, detail)

    def _finish(self) -> Node:
        """Release the connection, and record the latency for every poll in the packet."""
        assert self.node is not None
        self._loader.close(self, is_good=True)
        self.calls[0].steps.note_latency(self.sent_at, len(self.calls))
        return self.node


class PacketLoader(Loader):
    """A loader that gathers polls in packets until the next check of the sockets."""

    _gathered: Packet | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a poll that begins now has to wait for a connection."""
        return self.under_way - (self._gathered is not None) >= self._limit

    def join(self, call: Call, pair: Pair) -> bool:
        """Add both requests of a poll to a packet, which `process` sends at the latest.

        Return False if there is no idle connection for them.
        """
        packet = self._gathered
        if packet is not None and packet.pair is not pair:
            self._send_packet()
            packet = None
        if packet is None:
            if not self.has_idle:
                return False
            packet = self._gathered = Packet(self, pair)
            self.connect(packet)
        packet.calls.append(call)
        if len(packet.calls) == SIZE:
            self._send_packet()
        return True

    def process(self, seconds: float) -> None:
        """Send the gathered packet, then process received data like `Loader.process`."""
        self._send_packet()
        super().process(seconds)

    def _send_packet(self) -> None:
        packet, self._gathered = self._gathered, None
        if packet is None:
            return
        node = packet.pair.packets[len(packet.calls) - 1]
        packet.phone = packet.calls[0].phone
        self.send(packet, node)
        if packet.wire is not None:
            for call in packet.calls[1:]:
                node.note(call.phone)
