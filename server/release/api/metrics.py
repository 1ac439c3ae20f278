"""Counters of the API; no label comes from a request."""

from prometheus_client import CollectorRegistry, Counter

from server.release.api.operation import Operation

CLASSES = ("2xx", "3xx", "4xx", "5xx")
NO_OPERATION = "none"


class ApiMetrics:
    """`hening_api_requests{operation, status}`: how many requests had which class of answer."""

    def __init__(self, registry: CollectorRegistry, operations: tuple[Operation, ...]) -> None:
        self._requests = Counter(
            "hening_api_requests",
            "Requests to the control plane",
            ["operation", "status"],
            registry=registry,
        )
        self._known = {NO_OPERATION, *(operation.id for operation in operations)}
        # Every label exists from the start, as on the device plane.
        for name in self._known:
            for status in CLASSES:
                self._requests.labels(name, status)

    def count(self, operation: Operation | None, status: int) -> None:
        """Count an answer with `status` to a request for `operation`, None where there is none."""
        name = NO_OPERATION if operation is None else operation.id
        label = name if name in self._known else NO_OPERATION
        self._requests.labels(label, f"{status // 100}xx").inc()
