"""The counters of a public plane: integers, summed over processes, that hold no request's data."""

from collections.abc import Iterator
from http import HTTPStatus

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.http.requests import Reason

STATUSES = (
    HTTPStatus.OK,
    HTTPStatus.PARTIAL_CONTENT,
    HTTPStatus.NOT_MODIFIED,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
CUTS = ("full", "head", "idle", "stall")


class Counts(msgspec.Struct):
    """Answers by status, refusals by reason, cut connections by the limit that they exceeded.

    All keys of these exist from the start. `connections` and `downloads` are the numbers open now.
    `begun` and `finished` count, by sha256, how often the first and the last byte of a package were
    sent. They are not exported as metrics, because a series for each package would show single
    phones.
    """

    answers: dict[int, int] = msgspec.field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    refusals: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(Reason, 0))
    cuts: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(CUTS, 0))
    unknown_headers: int = 0
    connections: int = 0
    downloads: int = 0
    begun: dict[str, int] = msgspec.field(default_factory=dict)
    finished: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add the counts of another process, including its open connections and downloads.

        Raises KeyError for an unknown status, reason or limit: a worker must not add labels.
        """
        for status, number in other.answers.items():
            self.answers[status] += number
        for reason, number in other.refusals.items():
            self.refusals[reason] += number
        for limit, number in other.cuts.items():
            self.cuts[limit] += number
        self.unknown_headers += other.unknown_headers
        self.connections += other.connections
        self.downloads += other.downloads
        for mine, others in ((self.begun, other.begun), (self.finished, other.finished)):
            for sha256, number in others.items():
                mine[sha256] = mine.get(sha256, 0) + number


class CountsCollector(Collector):
    """Exports counts to Prometheus, with names that begin with `prefix`.

    Samples have no creation time.
    """

    def __init__(self, counts: Counts, prefix: str = "hening") -> None:
        self._counts = counts
        self._prefix = prefix

    def collect(self) -> Iterator[Metric]:
        """Yield one metric family for each count."""
        counts = self._counts
        answers = CounterMetricFamily(f"{self._prefix}_answers", "Answers", labels=["status"])
        for status, number in sorted(counts.answers.items()):
            answers.add_metric([str(int(status))], number)
        refusals = CounterMetricFamily(f"{self._prefix}_refusals", "Refusals", labels=["reason"])
        for reason, number in sorted(counts.refusals.items()):
            refusals.add_metric([str(reason)], number)
        cuts = CounterMetricFamily(
            f"{self._prefix}_cuts", "Connections cut by a limit", labels=["limit"]
        )
        for limit, number in sorted(counts.cuts.items()):
            cuts.add_metric([limit], number)
        unknown = CounterMetricFamily(
            f"{self._prefix}_unknown_headers", "Requests with unknown headers"
        )
        unknown.add_metric([], counts.unknown_headers)
        connections = GaugeMetricFamily(f"{self._prefix}_connections", "Connections open now")
        connections.add_metric([], counts.connections)
        downloads = GaugeMetricFamily(f"{self._prefix}_downloads", "Downloads under way now")
        downloads.add_metric([], counts.downloads)
        yield from (answers, refusals, cuts, unknown, connections, downloads)
