"""Counters of the API; no label comes from a request."""

from prometheus_client import CollectorRegistry, Counter

from server.release.api.operation import Operation
from server.release.errors import RateError, Share

CLASSES = ("2xx", "3xx", "4xx", "5xx")
NO_OPERATION = "none"


class ApiMetrics:
    """`hening_PLANE_requests{operation, status}`: how many requests had which class of answer.

    `hening_PLANE_limits{share}`: how often a share was used up, of a token, an account or all.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        operations: tuple[Operation, ...],
        plane: str = "api",
    ) -> None:
        self._requests = Counter(
            f"hening_{plane}_requests",
            "Requests to the control plane",
            ["operation", "status"],
            registry=registry,
        )
        self._known = {NO_OPERATION, *(operation.id for operation in operations)}
        # Every label exists from the start, as on the device plane.
        for label in self._known:
            for status in CLASSES:
                self._requests.labels(label, status)
        self._limits = Counter(
            f"hening_{plane}_limits",
            "Times that a share was used up: of a token, an account, or all clients",
            ["share"],
            registry=registry,
        )
        for share in Share:
            self._limits.labels(share)

    def count_limit(self, share: Share) -> None:
        """Count that a share was used up."""
        self._limits.labels(share).inc()

    def count_refusal(self, error: Exception) -> None:
        """Count an error that is answered, if a share was used up."""
        if isinstance(error, RateError):
            self.count_limit(error.share)

    def count(self, operation: Operation | None, status: int) -> None:
        """Count an answer with `status` to a request for `operation`, None where there is none."""
        name = NO_OPERATION if operation is None else operation.id
        label = name if name in self._known else NO_OPERATION
        self._requests.labels(label, f"{status // 100}xx").inc()
