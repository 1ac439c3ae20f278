"""Metrics and readiness: totals and outcomes of all accounts together, never of a single one.

The label `door` is `records`, `account`, `blobs`, or `login` for requests that prove a password or
recovery words. The label `outcome` is `ok`, `refused` or `failed`; statuses 429 (`limited`) and
507 (`full`) have their own for alarms.
"""

from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy import func, select

from server.cloud.storage.models import Account, Session, Site
from server.core.errors import HeningError
from server.storage.database import Sessions

TOTALS_SECONDS: Final = 60
"""Seconds between two counts of the totals."""
_DOORS: Final = {
    "/api/v1/authentication/login/": "login",
    "/api/v1/authentication/change_password/": "login",
    "/account/1/recovery/": "login",
    "/api/": "records",
    "/account/": "account",
    "/blobs/": "blobs",
}
ROTATED: Final = "the pepper was rotated: start this service again with the new one."
_OUTCOMES: Final = {429: "limited", 507: "full"}
log = structlog.get_logger()


class CloudMetrics:
    """The metrics of one process, and the reasons why it is not ready."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "hening_cloud_requests",
            "Answered requests",
            ["door", "outcome"],
            registry=self.registry,
        )
        self._accounts = self._gauge("accounts", "Accounts")
        self._sessions = self._gauge("sessions", "Logged-in devices")
        self._bytes = self._gauge("bytes", "Bytes counted against the accounts' quotas")
        self._reasons: list[str] = ["the totals have not been counted yet."]

    def count(self, path: str, status: int) -> None:
        """Count a response by its request path and status."""
        door = next((door for start, door in _DOORS.items() if path.startswith(start)), "none")
        by_class = "ok" if status < 400 else "refused" if status < 500 else "failed"
        self._requests.labels(door, _OUTCOMES.get(status, by_class)).inc()

    def reasons(self) -> list[str]:
        """Return the reasons why the service is not ready, as sentences; safe from any thread."""
        return self._reasons

    async def count_totals(self, database: Sessions, mark: bytes, now: int) -> None:
        """Update the totals and the readiness; logs an alarm if the service is not ready.

        `mark` identifies this process's pepper.
        """
        try:
            async with database() as db:
                query = select(func.count(), func.coalesce(func.sum(Account.used), 0))
                accounts, used = (await db.execute(query.select_from(Account))).one()
                alive = select(func.count()).where(Session.expires_at > now)
                sessions = await db.scalar(alive)
                is_current = await db.scalar(select(Site.pepper)) == mark
        except (HeningError, OSError) as error:
            log.error("alarm", error=f"the database does not answer: {error}")
            self._reasons = ["the database does not answer."]
            return
        self._accounts.set(accounts)
        self._bytes.set(used)
        self._sessions.set(sessions or 0)
        self._reasons = [] if is_current else [ROTATED]
        for sentence in self._reasons:
            log.error("alarm", error=sentence)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"hening_cloud_{name}", text, registry=self.registry)
