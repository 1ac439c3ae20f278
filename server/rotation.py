"""Which of a site's device nodes an edge asks: those that have the newest timestamp.

Pure. What a node says is not verified here: phones do that, and a node verifies what it serves.
"""

from collections.abc import Mapping

GRACE = 5.0  # seconds in which a node may have an older timestamp than another one


class Rotation:
    """Decides after each look at the nodes; remembers the newest timestamp that any has had."""

    def __init__(self) -> None:
        self._newest = 0
        self._since = 0.0

    def plan(self, seen: Mapping[str, int | None], now: float) -> frozenset[str]:
        """Return the nodes to ask, of those whose timestamp's version is `seen`; None: no answer.

        `now` counts seconds. Where no node has the newest one, those that answer are asked, and
        where none answers, all are: an old answer is better than none.
        """
        answering = {node: version for node, version in seen.items() if version is not None}
        newest = max(answering.values(), default=0)
        if newest > self._newest:
            self._newest, self._since = newest, now
        if now - self._since < GRACE:
            return frozenset(answering or seen)
        current = {node for node, version in answering.items() if version >= self._newest}
        return frozenset(current or answering or seen)


def encode_upstream(nodes: Mapping[str, bool]) -> str:
    """Return nginx's lines for an `upstream` block: each node's address, and if it is asked."""
    return "".join(
        f"server {node}{'' if is_asked else ' down'};\n" for node, is_asked in nodes.items()
    )
