"""What owners ask of the law, and what has its time: announcing, erasing, forgetting, alarms.

What has its time is done by rounds of upkeep (`server.cloud.upkeep`). Each of it is repeatable, so
that a node may erase an account whose owner asks while another one does a round.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

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
from server.cloud.law.policies import Policies, Signed
from server.cloud.law.receipts import Event
from server.cloud.secrets import Secrets, draw_text
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.law_models import Code, Erasure, OwnerLink, Quarantine
from server.cloud.storage.models import Account
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
    _used: set[str] = field(default_factory=set)
    _week: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def draw(self) -> str:
        """Return an id of 22 characters."""
        return draw_text(self.entropy, 16)

    async def note_use(self, account: str) -> None:
        """Note that an account is used; writes at most once a week for each."""
        week = self.now() // WEEK
        if week != self._week or len(self._used) >= MAX_KNOWN:
            self._week, self._used = week, set()
        if account not in self._used:
            async with self.database.begin() as db:
                await note_use(db, account, self.now())
            self._used.add(account)

    async def limit_session_days(self, db: AsyncSession, wanted: int) -> int:
        """Return `wanted` days, or the policy's for an unused session where those are fewer."""
        signed = await self.policies.current(self.now(), db)
        return wanted if signed is None else min(wanted, signed.policy.days.session_idle)

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

        What takes longer goes on without the caller. Two that ask at once get the same erasure.
        Raises CloudError for an account that is closed already, or is not there.
        """
        policy = (await self.find_policy()).policy
        asked: Announcement | Erasure
        async with self.database.begin() as db:
            await lock_owner(db, account)
            before = await find_announced(db, account)
            if before is not None and before.reason == ASKED:
                asked = before
            else:
                asked = announce_asked(account, self.draw(), policy, self.now())
                await announce(db, asked)
        task = asyncio.create_task(self._try(self._eraser().erase(asked.id), asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
        async with self.database() as db:
            return await db.get_one(Erasure, asked.id)

    async def close_due(self) -> None:
        """Close the accounts whose erasure begins by now, before anything is served to them.

        So one that was erased, and came back with a backup, is gone again.
        """
        for row in await self._list_due():
            if row.step == ANNOUNCED:
                await self._try(self._eraser().erase(row.id, CLOSED), row)

    async def announce_inactive(self) -> int:
        """Announce the erasure of accounts that were not used for the policy's days."""
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
        """Erase what is due; what fails is logged, and is tried again in the next round.

        All are closed first, as one of them may have to wait for the end of a backup.
        """
        await self.close_due()
        rows = await self._list_due()
        for row in rows:
            await self._try(self._eraser().erase(row.id), row)
        return len(rows)

    async def warn_of_breaches(self) -> int:
        """Log an alarm for each breach of which owners have to be told within a day."""
        now, count = self.now(), 0
        signed = await self.policies.current(now)
        if signed is None:
            return 0
        async with self.database() as db:
            waiting = await list_breaches(db, are_told=False)
        for breach in waiting:
            deadline = find_deadline(breach, signed.policy)
            if deadline - DAY <= now:
                count += 1
                log.error(
                    "alarm",
                    error=f"owners are to be told of breach {breach.id} within the policy's hours:"
                    f" `hening-server cloud breach tell {breach.id}`",
                )
        return count

    async def forget(self) -> int:
        """Remove records of erasures, names, codes and links that have had their time."""
        now, count = self.now(), 0
        async with self.database.begin() as db:
            for column in (
                *(Erasure.forget_at, Quarantine.until),
                *(Code.expires_at, OwnerLink.expires_at),
            ):
                gone = delete(column.class_).where(column <= now).returning(column)
                count += len((await db.execute(gone)).all())
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
        """Cut off what is under way when the block ends, before the database is closed."""
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
