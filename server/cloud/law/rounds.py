"""What has its time: announcing, erasing, forgetting, and alarms; any node may do it at any time.

Steps are repeatable, so that nodes need not agree on who does it.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import lock_owner
from server.cloud.errors import CloudError
from server.cloud.law.breaches import find_deadline, list_breaches
from server.cloud.law.consents import withdraw
from server.cloud.law.erasure import DONE, Eraser
from server.cloud.law.policies import Policies, Signed
from server.cloud.law.receipts import Event
from server.cloud.law.schedule import (
    Announcement,
    announce,
    announce_asked,
    announce_inactive,
    find_inactive,
    note_use,
)
from server.cloud.secrets import Secrets
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.law_models import Code, Erasure, OwnerLink, Quarantine
from server.cloud.storage.models import Account
from server.core.cloud_policy import Policy
from server.core.errors import HeningError
from server.storage.database import Sessions

PATIENCE_SECONDS = 10
"""How long a request waits for the erasure that it asked for."""
WEEK, DAY = 7 * 24 * 60 * 60, 24 * 60 * 60
MAX_KNOWN = 100_000
"""Accounts of which a node remembers that they were used this week."""
log = structlog.get_logger()


@dataclass(slots=True)
class Law:
    """The policies of a cloud, and what is done by them."""

    database: Sessions
    bodies: Bodies
    secrets: Secrets
    policies: Policies
    now: Callable[[], int]
    entropy: Callable[[int], bytes]
    after_step: Callable[[str], None] = lambda _step: None
    _used: set[str] = field(default_factory=set)
    _week: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def draw(self) -> str:
        """Return an id of 22 characters."""
        return base64.urlsafe_b64encode(self.entropy(16)).rstrip(b"=").decode()

    async def note_use(self, account: str) -> None:
        """Note that an account is used; writes at most once a week for each."""
        week = self.now() // WEEK
        if week != self._week or len(self._used) >= MAX_KNOWN:
            self._week, self._used = week, set()
        if account not in self._used:
            async with self.database.begin() as db:
                await note_use(db, account, self.now())
            self._used.add(account)

    async def limit_days(self, db: AsyncSession, name: str, wanted: int) -> int:
        """Return `wanted` days, or the policy's of this `name` where those are fewer."""
        signed = await self.policies.current(self.now(), db)
        return wanted if signed is None else min(wanted, getattr(signed.policy.days, name))

    async def find_policy(self) -> Signed:
        """Return the policy that holds; raises CloudError where there is none."""
        signed = await self.policies.current(self.now())
        if signed is None:
            raise CloudError(409, "no_policy", "no policy holds here, so there is nothing to end.")
        return signed

    async def ask_to_withdraw(self, account: str, method: str) -> tuple[bytes, Announcement]:
        """Withdraw an account's consent; returns the receipt and the announced erasure.

        The hours are those of the version that was agreed to. Raises CloudError where there is no
        consent.
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
        """Begin to erase an account; when this returns its keys are gone, and mostly all of it is.

        What takes longer goes on without the caller. Raises CloudError where it was asked before,
        or there is no such account.
        """
        policy = (await self.find_policy()).policy
        asked = announce_asked(account, self.draw(), policy, self.now())
        async with self.database.begin() as db:
            await lock_owner(db, account)
            await announce(db, asked)
        task = asyncio.create_task(self._try_to_erase(asked.id, due_at=None))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
        async with self.database() as db:
            return await db.get_one(Erasure, asked.id)

    async def run_round(self) -> None:
        """Do what is due, once; what fails is told and tried again in the next round."""
        now = self.now()
        signed = await self.policies.current(now)
        if signed is not None:
            await self._announce(signed.policy, now)
            await self._check_breaches(signed.policy, now)
        async with self.database() as db:
            due = select(Erasure.id, Erasure.due_at).where(
                Erasure.begins_at <= now, Erasure.step != DONE
            )
            rows = (await db.execute(due.order_by(Erasure.due_at))).all()
        for row in rows:
            await self._try_to_erase(row.id, row.due_at)
        async with self.database.begin() as db:
            await _forget(db, now)

    async def _announce(self, policy: Policy, now: int) -> None:
        while True:
            async with self.database() as db:
                if not await find_inactive(db, policy, now):
                    return
            async with self.database.begin() as db:
                for account in await find_inactive(db, policy, now):
                    await announce(db, announce_inactive(account, self.draw(), policy, now))

    async def _check_breaches(self, policy: Policy, now: int) -> None:
        async with self.database() as db:
            waiting = await list_breaches(db, are_told=False)
        for breach in waiting:
            if find_deadline(breach, policy) - DAY <= now:
                log.error(
                    "alarm",
                    error=f"owners are to be told of breach {breach.id} within the policy's hours:"
                    f" `hening-server cloud breach tell {breach.id}`",
                    due=find_deadline(breach, policy),
                )

    async def _try_to_erase(self, erasure: str, due_at: int | None) -> None:
        eraser = Eraser(
            self.database, self.bodies, self.secrets, self.policies, self.now, self.after_step
        )
        try:
            await eraser.erase(erasure)
        except (HeningError, OSError) as error:
            is_late = due_at is not None and due_at <= self.now()
            log.error(
                "alarm" if is_late else "an erasure goes on later",
                error=f"an erasure is late: {error}" if is_late else str(error),
                erasure=erasure,
            )

    @asynccontextmanager
    async def going_round(self, minutes: int) -> AsyncIterator[None]:
        """Run a round now and then until the block ends; what it cuts off goes on next time."""
        async with self.finishing():
            self._tasks.add(asyncio.create_task(self._go_round(minutes)))
            yield

    @asynccontextmanager
    async def finishing(self) -> AsyncIterator[None]:
        """Cut off what is under way when the block ends, before the database is closed."""
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _go_round(self, minutes: int) -> None:
        while True:
            try:
                await self.run_round()
            except Exception as error:  # noqa: BLE001 - the next round may do better
                log.error("alarm", error=describe(error))
            await asyncio.sleep(minutes * 60)


def describe(error: Exception) -> str:
    """Return the sentence of an error of ours, and the kind of any other one."""
    return str(error) if isinstance(error, (HeningError, OSError)) else type(error).__name__


async def _forget(db: AsyncSession, now: int) -> None:
    """Remove what has had its time."""
    await db.execute(delete(Erasure).where(Erasure.forget_at <= now))
    await db.execute(delete(Quarantine).where(Quarantine.until <= now))
    for table in (Code, OwnerLink):
        await db.execute(delete(table).where(table.expires_at <= now))
