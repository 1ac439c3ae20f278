"""The queue of deliveries: insert one for an event, claim it for one attempt, record the result."""

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import cast

import msgspec
from sqlalchemy import CursorResult, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.release.webhooks.event import Event, encode_event
from server.storage.database import Sessions
from server.storage.models import Delivery, Webhook

CLAIM_SECONDS = 60  # much longer than an attempt; after it the claim of a dead process expires
KEEP_SECONDS = 30 * 86_400  # how long finished deliveries can be viewed
AT_ONCE = 100  # rows in one transaction: a halt may have to wait for it


@dataclass(frozen=True, slots=True)
class Message:
    """One claimed delivery: body, address, time and secrets."""

    delivery: str
    webhook: str
    url: str
    secrets: tuple[str, ...]
    event_id: str
    body: bytes
    attempts: int


async def enqueue(session: AsyncSession, event: Event, at: int) -> None:
    """Queue an event for each enabled webhook that subscribes to it, in the caller's transaction.

    An event that is queued already is not queued again.
    """
    await enqueue_some(session, [event], at)


async def enqueue_some(session: AsyncSession, events: Sequence[Event], at: int) -> int:
    """Queue the first of `events` as `enqueue` does; return how many.

    To keep the transaction short, it is the number that fits into `AT_ONCE` rows, but at least one.
    """
    enabled = await session.scalars(select(Webhook).where(Webhook.disabled_at.is_(None)))
    subscriptions = {
        webhook.id: msgspec.json.decode(webhook.events, type=list[str]) for webhook in enabled
    }
    some = events[: max(1, AT_ONCE // max(1, len(subscriptions)))]
    rows = {
        delivery.id: delivery
        for event in some
        for webhook, types in subscriptions.items()
        if event.type in types
        for delivery in [_make_delivery(webhook, event, at)]
    }
    queued = await session.scalars(select(Delivery.id).where(Delivery.id.in_(rows)))
    known = set(queued)
    session.add_all(delivery for key, delivery in rows.items() if key not in known)
    return len(some)


async def enqueue_for(session: AsyncSession, webhook: str, event: Event, at: int) -> str:
    """Queue an event for one webhook, also without subscription; return the delivery's id."""
    delivery = _make_delivery(webhook, event, at)
    if await session.get(Delivery, delivery.id) is None:
        session.add(delivery)
    return delivery.id


def _make_delivery(webhook: str, event: Event, at: int) -> Delivery:
    # The id follows from those of webhook and event, so that an event is not queued again.
    return Delivery(
        id=hashlib.sha256(f"{webhook}\0{event.id}".encode()).hexdigest()[:32],
        webhook=webhook,
        event_id=event.id,
        event=encode_event(event).decode(),
        created_at=at,
        attempts=0,
        next_at=at,
        delivered_at=None,
        last_error="",
    )


# Built once: each node runs it twice a second.
_DUE = (
    select(Delivery.webhook)
    .distinct()
    .join(Webhook, Webhook.id == Delivery.webhook)
    .where(Delivery.next_at <= bindparam("now"), Webhook.disabled_at.is_(None))
)


async def find_due(sessions: Sessions, now: int, busy: Collection[str]) -> list[str]:
    """Return the enabled webhooks with a due delivery that are not `busy`."""
    async with sessions() as session:
        return sorted(set(await session.scalars(_DUE, {"now": now})) - set(busy))


async def claim(sessions: Sessions, webhook: str, now: int) -> Message | None:
    """Claim the oldest due delivery of a webhook for one attempt; None if nothing is due.

    The attempt is counted before it is made. Other processes skip the delivery until the claim
    expires, a minute later. After a crash, the message may be sent again, with the same event id.
    """
    query = (
        select(Delivery, Webhook)
        .join(Webhook, Webhook.id == Delivery.webhook)
        .where(Webhook.id == webhook, Webhook.disabled_at.is_(None), Delivery.next_at <= now)
        .order_by(Delivery.created_at, Delivery.id)
        .limit(1)
    )
    async with sessions.begin() as session:
        row = (await session.execute(query)).one_or_none()
        if row is None:
            return None
        delivery, hook = row
        attempts = delivery.attempts + 1  # the update below changes the object, too
        statement = update(Delivery).where(
            Delivery.id == delivery.id, Delivery.attempts == delivery.attempts
        )
        values = statement.values(attempts=attempts, next_at=now + CLAIM_SECONDS)
        result = cast("CursorResult[None]", await session.execute(values))
        if result.rowcount != 1:
            return None  # another node was faster
        return Message(
            delivery=delivery.id,
            webhook=hook.id,
            url=hook.url,
            secrets=secrets_at(hook, now),
            event_id=delivery.event_id,
            body=delivery.event.encode(),
            attempts=attempts,
        )


def secrets_at(webhook: Webhook, now: int) -> tuple[str, ...]:
    """Return the secrets that sign at `now`, the newest first."""
    is_over = webhook.former_until is None or webhook.former_until <= now
    if webhook.former_secret is None or is_over:
        return (webhook.secret,)
    return (webhook.secret, webhook.former_secret)


async def measure_queue(sessions: Sessions) -> tuple[int, int | None]:
    """Return the number of waiting deliveries, and the oldest's creation time in epoch seconds."""
    query = select(func.count(), func.min(Delivery.created_at)).where(Delivery.next_at.is_not(None))
    async with sessions() as session:
        count, oldest = (await session.execute(query)).one()
    return count, oldest


async def record_success(sessions: Sessions, message: Message, now: int) -> None:
    """Record that a message was accepted."""
    async with sessions.begin() as session:
        await session.execute(
            update(Delivery)
            .where(Delivery.id == message.delivery)
            .values(delivered_at=now, next_at=None, last_error="")
        )
        await session.execute(
            update(Webhook).where(Webhook.id == message.webhook).values(failing_since=None)
        )


async def record_failure(
    session: AsyncSession, message: Message, error: str, now: int, wait: int | None
) -> int:
    """Record a failed attempt; the next one is due in `wait` seconds, or never if it is None.

    Returns the time since which the webhook has failed, in epoch seconds.
    """
    await session.execute(
        update(Delivery)
        .where(Delivery.id == message.delivery)
        .values(last_error=error, next_at=None if wait is None else now + wait)
    )
    await session.execute(
        update(Webhook)
        .where(Webhook.id == message.webhook, Webhook.failing_since.is_(None))
        .values(failing_since=now)
    )
    query = select(Webhook.failing_since).where(Webhook.id == message.webhook)
    return await session.scalar(query) or now


async def forget_old(sessions: Sessions, now: int) -> None:
    """Remove finished deliveries that were created over KEEP_SECONDS ago."""
    is_old = (Delivery.next_at.is_(None), Delivery.created_at < now - KEEP_SECONDS)
    some = select(Delivery.id).where(*is_old).limit(AT_ONCE)
    count = AT_ONCE
    while count == AT_ONCE:
        async with sessions.begin() as session:
            statement = delete(Delivery).where(Delivery.id.in_(some))
            count = cast("CursorResult[None]", await session.execute(statement)).rowcount


FIRST_SECONDS, FACTOR, LONGEST_SECONDS = 10, 3, 12 * 3600
MAX_ATTEMPTS = 14  # the 13 waits between them add up to 69 hours at most
_SECONDS = re.compile(r"[0-9]{1,9}")
_DATE = re.compile(r"[A-Za-z0-9 :,+-]{1,40}")


def plan_retry(attempts: int, entropy: Callable[[int], bytes]) -> int | None:
    """Return the seconds to wait after `attempts` failed attempts, or None to give up.

    Exponential backoff with jitter: the wait is uniformly random in the upper half of 10 s, 30 s,
    90 s … 12 h, so that webhooks that failed together are not retried together.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    longest: int = min(FIRST_SECONDS * FACTOR ** (attempts - 1), LONGEST_SECONDS)
    shortest = longest // 2
    return shortest + int.from_bytes(entropy(8)) % (longest - shortest + 1)


def decode_retry_after(text: str, now: int) -> int:
    """Return the seconds of a Retry-After header, at most 12 hours; 0 for an invalid one.

    Source: RFC 9110 section 10.2.3: the value is seconds or a date.
    """
    if _SECONDS.fullmatch(text):
        return min(int(text), LONGEST_SECONDS)
    if not _DATE.fullmatch(text):
        return 0
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0
    if date.tzinfo is None:  # `-0000`: UTC, with an unknown local time zone
        date = date.replace(tzinfo=UTC)
    return min(max(0, int(date.timestamp()) - now), LONGEST_SECONDS)
