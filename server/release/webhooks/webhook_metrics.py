"""Metrics of webhooks; labels are ends of attempts and nothing else."""

from prometheus_client import CollectorRegistry, Counter, Gauge

RESULTS = ("delivered", "failed", "given-up")


class WebhookMetrics:
    """What became of attempts, and what waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "hening_webhook_attempts",
            "Attempts to deliver an event by how they ended; given-up is the last of a delivery",
            ["result"],
            registry=registry,
        )
        self.switched_off = Counter(
            "hening_webhooks_switched_off",
            "Webhooks that were switched off because they took nothing",
            registry=registry,
        )
        self.waiting = Gauge(
            "hening_webhook_waiting", "Events that wait to be delivered", registry=registry
        )
        self.oldest = Gauge(
            "hening_webhook_oldest_seconds", "How long the oldest of them waits", registry=registry
        )
        for result in RESULTS:
            self.attempts.labels(result)
