"""What all workers counted, as one sum: it goes on when one of them is replaced."""

from collections.abc import Mapping
from typing import TypeVar

from server.device.counts import Counts

K = TypeVar("K")


class Tally:
    """Adds up workers' counts. Each tells its own from its start on, so none is added twice."""

    def __init__(self) -> None:
        self.total = Counts()
        self._last: dict[int, Counts] = {}

    def report(self, worker: int, counts: Counts) -> None:
        """Take what the process `worker` has counted since it began."""
        self.total.add(_growth(self._last.get(worker, Counts()), counts))
        self._last[worker] = counts

    def forget(self, worker: int) -> None:
        """Note that the process ended: what it had open is closed, what it counted stays."""
        last = self._last.pop(worker, Counts())
        self.total.add(Counts(connections=-last.connections, downloads=-last.downloads))


def _growth(before: Counts, after: Counts) -> Counts:
    return Counts(
        _difference(before.answers, after.answers),
        _difference(before.refusals, after.refusals),
        _difference(before.cuts, after.cuts),
        after.unknown_headers - before.unknown_headers,
        after.connections - before.connections,
        after.downloads - before.downloads,
    )


def _difference(before: Mapping[K, int], after: Mapping[K, int]) -> dict[K, int]:
    return {key: number - before.get(key, 0) for key, number in after.items()}
