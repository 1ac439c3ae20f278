"""Which of a site's device nodes an edge asks: those that have the newest timestamp.

Pure. What a node says is not verified here: phones do that, and a node verifies what it serves.
"""

from collections.abc import Mapping

GRACE = 5.0  # seconds in which a node may have an older timestamp than another one


class Rotation:
    """Decides after each look at the nodes; remembers when which timestamp was the newest."""

    def __init__(self) -> None:
        self._needed = 0
        self._newer: list[tuple[int, float]] = []  # versions, and when each was first seen

    def plan(self, seen: Mapping[str, int | None], now: float) -> frozenset[str]:
        """Return the nodes to ask, of those whose timestamp's version is `seen`; None: no answer.

        `now` counts seconds. A node needs the version that was the newest GRACE ago, however often
        there is another. Where no node has it, those that answer are asked, and where none answers,
        all are: an old answer is better than none.
        """
        answering = {node: version for node, version in seen.items() if version is not None}
        newest = max(answering.values(), default=0)
        if newest > max([self._needed, *(version for version, _ in self._newer)]):
            self._newer.append((newest, now))
        while self._newer and now - self._newer[0][1] >= GRACE:
            self._needed, _ = self._newer.pop(0)
        current = {node for node, version in answering.items() if version >= self._needed}
        return frozenset(current or answering or seen)


def encode_upstream(nodes: Mapping[str, bool]) -> str:
    """Return nginx's lines for an `upstream` block: each node's address, and if it is asked."""
    return "".join(
        f"server {node}{'' if is_asked else ' down'};\n" for node, is_asked in nodes.items()
    )
