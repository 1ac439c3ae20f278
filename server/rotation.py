"""Which of a site's device nodes an edge asks: those that have the newest timestamp.

Pure. A timestamp counts only where the site's keys have signed it, so no node that shows another
one takes the others out.
"""

from collections.abc import Mapping, Sequence

from tuf.api.metadata import Root

from server.core.errors import TrustError
from server.core.metadata import verify_role

GRACE = 5.0  # seconds in which a node may have an older timestamp than another one

Rank = tuple[int, int]
"""Which of two timestamps is newer: the version of the root whose keys signed it, and its own.

The root comes first: a former key may be stolen, and a new one may begin with a lower version.
"""


def rank_timestamp(data: bytes, roots: Sequence[Root]) -> Rank:
    """Return the rank of a timestamp by the newest of `roots`, oldest first, whose keys signed it.

    Raises FormatError, or TrustError where the keys of none did.
    """
    for root in reversed(roots):
        try:
            return root.version, verify_role("timestamp", data, root, None).signed.version
        except TrustError as error:
            refused = error
    raise refused


class Rotation:
    """Decides after each look at the nodes; remembers when which timestamp was the newest."""

    def __init__(self) -> None:
        self._needed: Rank = (0, 0)
        self._newer: list[tuple[Rank, float]] = []  # ranks, and when each was first seen

    def plan(self, seen: Mapping[str, Rank | None], now: float) -> frozenset[str]:
        """Return the nodes to ask, of those whose timestamp is `seen`; None: no verified one.

        `now` counts seconds. A node needs the timestamp that was the newest GRACE ago, however
        often there is another. Where no node has it, those with a verified one are asked, and where
        there is none, all are: an old answer is better than none.
        """
        verified = {node: rank for node, rank in seen.items() if rank is not None}
        newest = max(verified.values(), default=(0, 0))
        if newest > max([self._needed, *(rank for rank, _ in self._newer)]):
            self._newer.append((newest, now))
        while self._newer and now - self._newer[0][1] >= GRACE:
            self._needed, _ = self._newer.pop(0)
        current = {node for node, rank in verified.items() if rank >= self._needed}
        return frozenset(current or verified or seen)


def encode_upstream(nodes: Mapping[str, bool]) -> str:
    """Return nginx's lines for an `upstream` block: each node's address, and if it is asked."""
    return "".join(
        f"server {node}{'' if is_asked else ' down'};\n" for node, is_asked in nodes.items()
    )
