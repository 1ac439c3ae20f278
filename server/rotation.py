"""Chooses which of a site's device nodes an edge asks: those with the newest timestamp.

Pure. A timestamp counts only if the site's keys have signed it, so a node with a forged timestamp
cannot take the other nodes out of rotation.
"""

from collections.abc import Mapping, Sequence

from tuf.api.metadata import Root

from server.core.errors import TrustError
from server.core.metadata import verify_role

GRACE = 5.0  # seconds for which a node may have an older timestamp than another node

Rank = tuple[int, int]
"""Orders timestamps: by the version of the root whose keys signed it, then by its own version.

The root comes first because a former key may be stolen, and a new key may start with a lower
version.
"""


def rank_timestamp(data: bytes, roots: Sequence[Root]) -> Rank:
    """Return the rank of a timestamp by the newest of `roots` whose keys signed it.

    `roots` are sorted, the oldest first. Raises FormatError, or TrustError if no root's keys signed
    the timestamp.
    """
    for root in reversed(roots):
        try:
            return root.version, verify_role("timestamp", data, root, None).signed.version
        except TrustError as error:
            refused = error
    raise refused


class Rotation:
    """Chooses the nodes after each poll; remembers when each newest timestamp was first seen."""

    def __init__(self) -> None:
        self._needed: Rank = (0, 0)
        self._newer: list[tuple[Rank, float]] = []  # ranks, and when each was first seen

    def plan(self, seen: Mapping[str, Rank | None], now: float) -> frozenset[str]:
        """Return the nodes to ask; `seen` has the rank of each, None without verified timestamp.

        `now` counts seconds. A node needs the timestamp that was the newest GRACE ago, however
        often newer timestamps appear. If no node has it, those with a verified timestamp are asked;
        if none has one, all are asked, because an old answer is better than none.
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
    """Return the lines of an nginx `upstream` block; `nodes` says which addresses are asked."""
    return "".join(
        f"server {node}{'' if is_asked else ' down'};\n" for node, is_asked in nodes.items()
    )
