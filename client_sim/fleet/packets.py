"""Polls over kept connections: both requests of several phones' polls in one packet.

The second request of a poll that finds nothing new does not depend on the first answer. Phones send
them one after the other, each on its own connection, and so does a fleet in its default mode;
packets show how much load one core can put on a server.
"""

from typing import Final, Protocol

from client_sim.fleet.answer_tree import Edge, Node, Place
from client_sim.fleet.answers import Came
from client_sim.fleet.call import Call
from client_sim.fleet.lines import Lines
from client_sim.fleet.loader import Exchange, Loader
from client_sim.fleet.tally import Failure

SIZE: Final = 8
"""Most polls in a packet."""


class Pair:
    """Two requests: `first`, and `second`, which followed its last answer `edge`.

    `packets` has the nodes of 1 to `SIZE` polls.
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
    """The pairs of a worker, by their first node; `lines` count their requests."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._pairs: dict[Node, Pair] = {}

    def find(self, place: Place) -> Pair | None:
        """Return the pair that begins at `place`, if its answers were last those of an idle poll.

        That is a 404 and a timestamp.
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


class PairSteps(Protocol):
    """The callback for answers of a pair that are not the last ones."""

    def answer_pair(self, call: Call, pair: Pair, first: Came, second: Came) -> None: ...  # noqa: D102


class Packet(Exchange):
    """Polls of `calls` that send the requests of `pair`, one poll after the other."""

    __slots__ = ("_loader", "_steps", "calls", "pair")

    def __init__(self, loader: "PacketLoader", steps: PairSteps, pair: Pair) -> None:
        super().__init__()
        self._loader = loader
        self._steps = steps
        self.pair = pair
        self.calls: list[Call] = []

    def again(self) -> None:
        """Let all polls follow the edge of the last answers."""
        node = self._finish()
        for call in self.calls:
            call.steps.follow(call, node.last_edge)

    def answer(self, came: list[Came]) -> None:
        """Give each poll its two answers."""
        self._finish()
        for call, first, second in zip(self.calls, came[::2], came[1::2], strict=True):
            self._steps.answer_pair(call, self.pair, first, second)

    def whole(self) -> None:
        """Packets have no bodies that are taken as they come."""
        raise AssertionError

    def end_early(self, why: Failure, detail: str = "") -> None:
        """End all polls."""
        self._loader.close(self, is_good=False)
        for call in self.calls:
            call.node = self.node
            call.end_early(why, detail)

    def _finish(self) -> Node:
        """Free the connection for others; the latency is that of every poll in the packet."""
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

    def join(self, call: Call, pair: Pair, steps: PairSteps) -> bool:
        """Add both requests of a poll to a packet, which is sent by `look` at the latest.

        Returns whether there is a connection for them.
        """
        packet = self._gathered
        if packet is not None and packet.pair is not pair:
            self._send_packet()
            packet = None
        if packet is None:
            if not self.has_idle:
                return False
            packet = self._gathered = Packet(self, steps, pair)
            self.connect(packet)
        packet.calls.append(call)
        if len(packet.calls) == SIZE:
            self._send_packet()
        return True

    def look(self, seconds: float) -> None:
        """Send what was gathered; process what has come, and wait for it at most `seconds`."""
        self._send_packet()
        super().look(seconds)

    def _send_packet(self) -> None:
        packet, self._gathered = self._gathered, None
        if packet is None:
            return
        node = packet.pair.packets[len(packet.calls) - 1]
        packet.phone = packet.calls[0].phone
        self.ask(packet, node)
        if packet.wire is not None:
            for call in packet.calls[1:]:
                node.note(call.phone)
