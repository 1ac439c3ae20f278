"""How many workers ended that nobody had told to, as Prometheus reads it."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class LostCollector(Collector):
    """Shows what `lost` returns; 0 where there are no workers."""

    def __init__(self, lost: Callable[[], int]) -> None:
        self._lost = lost

    def collect(self) -> Iterator[Metric]:
        """Yield the one family."""
        family = CounterMetricFamily("hening_workers_lost", "Workers that ended and were not to")
        family.add_metric([], self._lost())
        yield family
