"""Metrics of publishing; labels are existing roles, steps, results and states only."""

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from server.core.names import decode_pointer_path
from server.core.pointer import WHOLE_FLEET, Pointer
from server.publisher.expiry.alarms import RoleLifetime

STEPS = ("1", "2", "3", "4", "5", "6", "7")
STATES = ("offered", "paused", "halted")
RESULTS = ("published", "refused", "failed")
SWAPPED = 6  # the step that changes the timestamp
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # seconds

# The last finished step, and when. Read-backs and the ingestion of a bundle's blobs run in tasks of
# their own beside other publications; a task sees the value from before it began.
_LAST: ContextVar[tuple[int, float]] = ContextVar("last step", default=(0, 0.0))


class PublishMetrics:
    """Metrics of the publisher's work, and of the public state."""

    def __init__(self, registry: CollectorRegistry, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.publications = Counter(
            "hening_publications", "Publications by result", ["result"], registry=registry
        )
        self.steps = Histogram(
            "hening_publish_step_seconds",
            "Duration of each step",
            ["step"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.incoming = Gauge("hening_incoming_bundles", "Bundles that wait", registry=registry)
        self.last = Gauge(
            "hening_last_publication_timestamp_seconds",
            "When something became public last, by this process",
            registry=registry,
        )
        self.rollouts = Gauge("hening_rollouts", "Pointers by state", ["state"], registry=registry)
        self.share = Gauge(
            "hening_rollout_share_ratio",
            "Share of phones that a rollout under way has reached",
            ["channel"],
            registry=registry,
        )
        self.expiry = Gauge(
            "hening_role_expiry_timestamp_seconds",
            "When a role expires",
            ["role"],
            registry=registry,
        )
        self.used = Gauge(
            "hening_role_life_used_ratio",
            "Share of a role's lifetime that has passed",
            ["role"],
            registry=registry,
        )
        self.jumps = Counter("hening_clock_jumps", "Jumps of the clock", registry=registry)
        self.clock_ahead = Gauge(
            "hening_clock_ahead_seconds",
            "The clock's time minus the time in use",
            registry=registry,
        )
        for result in RESULTS:
            self.publications.labels(result)
        for step in STEPS:
            self.steps.labels(step)
        for state in STATES:
            self.rollouts.labels(state)

    def after_step(self, step: int) -> None:
        """Count a finished step; step 0 is the start of a publication."""
        now = self._monotonic()
        before, since = _LAST.get()
        if (step > 0 and step == before + 1) or (step == 3 and before == 0):
            self.steps.labels(str(step)).observe(now - since)
        _LAST.set((step, now))
        if step == SWAPPED:
            self.publications.labels("published").inc()

    def refused(self) -> None:
        """Count a refused bundle."""
        self.publications.labels("refused").inc()

    def failed(self) -> None:
        """Count an attempt that failed on an external error or a fault of this server."""
        self.publications.labels("failed").inc()

    def show_lifetimes(self, lifetimes: Sequence[RoleLifetime], now: datetime) -> None:
        """Export the lifetimes of the existing roles, and of no others."""
        for gauge in (self.expiry, self.used):
            gauge.clear()
        for lifetime in lifetimes:
            self.expiry.labels(lifetime.role).set(lifetime.expires.timestamp())
            self.used.labels(lifetime.role).set(lifetime.used(now))

    def show_rollouts(self, pointers: Mapping[str, Pointer], now: datetime) -> None:
        """Export the number of pointers in each state, and the shares of running rollouts."""
        self.share.clear()
        for path, pointer in pointers.items():
            permille = pointer.permille_at(int(now.timestamp()))
            if not pointer.halted and permille < WHOLE_FLEET:
                self.share.labels(str(decode_pointer_path(path))).set(permille / WHOLE_FLEET)
        tally: Tally[str] = Tally(_state(pointer) for pointer in pointers.values())
        for state in STATES:
            self.rollouts.labels(state).set(tally[state])


def _state(pointer: Pointer) -> Literal["offered", "paused", "halted"]:
    if pointer.halted:
        return "halted"
    return "paused" if pointer.paused else "offered"
