"""The two requests of a poll that finds nothing new, which can be sent together.

For kept connections only. The second request does not depend on the first answer, but phones send
them one after the other, and so does a fleet in its default mode.
"""

from client_sim.fleet.answer_tree import MORE_ROOM, Edge, Node, Place
from client_sim.fleet.lines import Lines


class Pair:
    """Two requests: `first`, and `second`, which followed its last answer `edge`.

    `last` are all bytes of the two answers that were recognised together last, and `last_edge` is
    the edge after them. `room` is the size of one receive call.
    """

    __slots__ = ("edge", "first", "last", "last_edge", "line", "room", "second")

    def __init__(self, first: Node, edge: Edge, second: Node, lines: Lines) -> None:
        self.first, self.edge, self.second = first, edge, second
        self.line = lines.pair(first.line, second.line)
        self.last = first.last + second.last
        self.last_edge = second.last_edge
        self.room = len(self.last) + MORE_ROOM

    def keep(self, data: bytes, edge: Edge) -> None:
        """Cache both answers by all their bytes."""
        self.last, self.last_edge = data, edge
        self.room = len(data) + MORE_ROOM


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
