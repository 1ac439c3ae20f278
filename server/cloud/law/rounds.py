"""Owners' requests to withdraw or erase, and the periodic tasks that the policy requires.

`server.cloud.upkeep` runs the periodic tasks. Each task is repeatable, so one node can erase an
account at its owner's request while another node runs the same task.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy import delete, select

from server.cloud.accounts.owners import lock_owner
from server.cloud.errors import CloudError
from server.cloud.law.consents import withdraw
from server.cloud.law.erasure import CLOSED, DONE, Eraser
from server.cloud.law.notices import (
    ANNOUNCED,
    ASKED,
    Announcement,
    announce,
    announce_asked,
    announce_inactive,
    find_announced,
    find_deadline,
    find_inactive,
    list_breaches,
    note_use,
)
from server.cloud.law.policies import Policies
from server.cloud.law.receipts import Event
from server.cloud.secrets import Secrets, draw_text
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.law_models import Code, Erasure, OwnerLink, Quarantine
from server.cloud.storage.models import Account
from server.core.errors import HeningError
from server.storage.database import Sessions

PATIENCE_SECONDS = 10
"""Maximum time that a request waits for its erasure to finish."""
WEEK, DAY = 7 * 24 * 60 * 60, 24 * 60 * 60
MAX_KNOWN = 100_000
"""Maximum number of accounts that a node remembers as used this week."""
log = structlog.get_logger()


@dataclass(slots=True)
class Law:
    """The policies of a cloud, and the operations that they require."""

    database: Sessions
    bodies: Bodies
    secrets: Secrets
    policies: Policies
    now: Callable[[], int]
    entropy: Callable[[int], bytes]
    _used: set[str] = field(default_factory=set)
    _week: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def draw(self) -> str:
        """Return a random id of 22 characters."""
        return draw_text(self.entropy, 16)

    async def note_use(self, account: str) -> None:
        """Record that an account is used; usually writes once a week per account."""
        week = self.now() // WEEK
        if week != self._week or len(self._used) >= MAX_KNOWN:
            self._week, self._used = week, set()
        if account not in self._used:
            async with self.database.begin() as db:
                await note_use(db, account, self.now())
            self._used.add(account)

    async def ask_to_withdraw(self, account: str, method: str) -> tuple[bytes, Announcement]:
        """Withdraw an account's consent; returns the receipt and the announced erasure.

        The hours of the agreed policy version apply. Raises CloudError if there is no consent.
        """
        async with self.database() as db:
            agreed = select(Account.consent_version).where(Account.id == account)
            version = await db.scalar(agreed)
        if not version:
            raise CloudError(409, "no_consent", "there is no consent to withdraw.")
        signed = await self.policies.find(version, self.now())
        event = Event(
            self.draw(),
            account,
            self.now(),
            is_given=False,
            method=method,
            locale=min(signed.policy.text),
            at_least=0,
            guardian=False,
        )
        async with self.database.begin() as db:
            return await withdraw(db, self.secrets, event, signed, self.draw())

    async def ask_to_erase(self, account: str) -> Erasure:
        """Erase an account and return the erasure's state after at most `PATIENCE_SECONDS`.

        An erasure that takes longer continues in the background. Concurrent requests get the same
        erasure. Raises CloudError if the account is closed or does not exist, or if no policy is in
        force.
        """
        signed = await self.policies.current(self.now())
        if signed is None:
            raise CloudError(409, "no_policy", "no policy is in force; try again later.")
        erasure: Announcement | Erasure
        async with self.database.begin() as db:
            await lock_owner(db, account)
            before = await find_announced(db, account)
            if before is not None and before.reason == ASKED:
                erasure = before
            else:
                erasure = announce_asked(account, self.draw(), signed.policy, self.now())
                await announce(db, erasure)
        task = asyncio.create_task(self._try(self._eraser().erase(erasure.id), erasure))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
        async with self.database() as db:
            return await db.get_one(Erasure, erasure.id)

    async def close_due(self) -> None:
        """Close the accounts whose erasure is due, before the cloud serves requests.

        So an erased account that a restored backup revived is not served.
        """
        for row in await self._list_due():
            if row.step == ANNOUNCED:
                await self._try(self._eraser().erase(row.id, CLOSED), row)

    async def announce_inactive(self) -> int:
        """Announce the erasure of accounts unused for the policy's days; returns their number."""
        now, count = self.now(), 0
        signed = await self.policies.current(now)
        while signed is not None:
            async with self.database() as db:
                if not await find_inactive(db, signed.policy, now):
                    break
            async with self.database.begin() as db:
                for account in await find_inactive(db, signed.policy, now):
                    found = announce_inactive(account, self.draw(), signed.policy, now)
                    await announce(db, found)
                    count += 1
        return count

    async def erase_due(self) -> int:
        """Continue all due erasures; returns their number.

        A failure is logged and retried in the next round. All due accounts are closed first, as an
        erasure may have to wait for a backup to end.
        """
        await self.close_due()
        rows = await self._list_due()
        for row in rows:
            await self._try(self._eraser().erase(row.id), row)
        return len(rows)

    async def warn_of_breaches(self) -> int:
        """Log an alarm for each breach to be notified within a day; returns the number."""
        now, count = self.now(), 0
        signed = await self.policies.current(now)
        if signed is None:
            return 0
        async with self.database() as db:
            waiting = await list_breaches(db, is_announced=False)
        for breach in waiting:
            deadline = find_deadline(breach, signed.policy)
            if deadline - DAY <= now:
                count += 1
                log.error(
                    "alarm",
                    error=f"owners have to be notified of breach {breach.id} within the policy's"
                    f" hours: run `hening-server cloud breach tell {breach.id}`",
                )
        return count

    async def forget(self) -> int:
        """Remove expired erasures, quarantined names, codes and links; returns their number."""
        now, count = self.now(), 0
        async with self.database.begin() as db:
            for column in (
                *(Erasure.forget_at, Quarantine.until),
                *(Code.expires_at, OwnerLink.expires_at),
            ):
                statement = delete(column.class_).where(column <= now).returning(column)
                count += len((await db.execute(statement)).all())
        return count

    async def _list_due(self) -> Sequence[Erasure]:
        due = select(Erasure).where(Erasure.begins_at <= self.now(), Erasure.step != DONE)
        async with self.database() as db:
            return (await db.scalars(due.order_by(Erasure.due_at))).all()

    def _eraser(self) -> Eraser:
        return Eraser(self.database, self.bodies, self.secrets, self.policies, self.now)

    async def _try(self, work: Coroutine[None, None, None], row: Erasure | Announcement) -> None:
        try:
            await work
        except (HeningError, OSError) as error:
            is_late = row.due_at <= self.now()
            log.error(
                "alarm" if is_late else "an erasure goes on later",
                error=f"erasure {row.id}{' is late' if is_late else ''}: {error}",
            )

    @asynccontextmanager
    async def finishing(self) -> AsyncIterator[None]:
        """Cancel running erasures when the block ends, before the database is closed."""
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
