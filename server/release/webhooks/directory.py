"""Management of webhooks: create, list, switch on and off, rotate the secret, test.

Every change is recorded in the audit log, in the same transaction. A secret is shown only when it
is created. The database stores it in plain text, because it signs the deliveries.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import cast

import msgspec
from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.release.auth.audit_log import record
from server.release.auth.principal import Permission, Principal
from server.release.errors import ConflictError, NotFoundError
from server.release.webhooks.deliveries import enqueue_for
from server.release.webhooks.event import PingData, make_event, make_secret
from server.release.webhooks.urls import check_url
from server.storage.database import Sessions
from server.storage.models import Delivery, Webhook

LONGEST_OVERLAP = 7 * 86_400  # seconds; bounds how long a leaked secret is still accepted
MAX_WEBHOOKS = 100  # enabled ones: an event may be queued for each of them
SHOWN_DELIVERIES = 50
Entropy = Callable[[int], bytes]


async def create_webhook(
    sessions: Sessions,
    principal: Principal,
    url: str,
    events: Collection[str],
    now: int,
    entropy: Entropy,
    *,
    private: bool,
) -> Webhook:
    """Create a webhook; its `secret` can be shown only now.

    Raises FormatError for an invalid address, ConflictError for too many webhooks. `events` are
    types that a webhook can subscribe to: the API's declaration accepts no others.
    """
    principal.check(Permission.WEBHOOKS)
    check_url(url, private=private)
    webhook = Webhook(
        id=entropy(16).hex(),
        url=url,
        secret=make_secret(entropy),
        former_secret=None,
        former_until=None,
        events=msgspec.json.encode(sorted(set(events))).decode(),
        created_by=principal.name,
        created_at=now,
        disabled_at=None,
        failing_since=None,
    )
    async with sessions.begin() as session:
        await _check_room(session)
        session.add(webhook)
        await session.flush()
        detail = {"events": sorted(set(events)), "fingerprint": webhook_fingerprint(webhook)}
        await _record(session, principal.actor, "webhook.create", webhook.id, now, detail)
    return webhook


def webhook_fingerprint(webhook: Webhook) -> str:
    """Return a webhook's fingerprint for the audit log: a hash of its address and secret."""
    return hashlib.sha256(f"{webhook.secret}\n{webhook.url}".encode()).hexdigest()


async def list_webhooks(sessions: Sessions) -> list[Webhook]:
    """Return all webhooks, oldest first, including disabled ones."""
    async with sessions() as session:
        query = select(Webhook).order_by(Webhook.created_at, Webhook.id)
        return list(await session.scalars(query))


async def load_webhook(sessions: Sessions, webhook_id: str) -> tuple[Webhook, list[Delivery]]:
    """Return a webhook and its latest deliveries, newest first; raises NotFoundError."""
    query = (
        select(Delivery)
        .where(Delivery.webhook == webhook_id)
        .order_by(Delivery.created_at.desc(), Delivery.id)
        .limit(SHOWN_DELIVERIES)
    )
    async with sessions() as session:
        return await _find(session, webhook_id), list(await session.scalars(query))


async def rotate_secret(
    sessions: Sessions,
    principal: Principal,
    webhook_id: str,
    overlap: int,
    now: int,
    entropy: Entropy,
) -> Webhook:
    """Give a webhook a new `secret`, which can be shown only now.

    For `overlap` seconds, up to LONGEST_OVERLAP, the former secret signs as well. A second rotation
    during this time ends the overlap of the first one.
    """
    principal.check(Permission.WEBHOOKS)
    async with sessions.begin() as session:
        webhook = await _find(session, webhook_id)
        webhook.former_secret = webhook.secret if overlap else None
        webhook.former_until = now + overlap if overlap else None
        webhook.secret = make_secret(entropy)
        await session.flush()
        detail = {"fingerprint": webhook_fingerprint(webhook), "overlap_seconds": overlap}
        await _record(session, principal.actor, "webhook.rotate", webhook_id, now, detail)
    return webhook


async def disable_webhook(
    sessions: Sessions, principal: Principal, webhook_id: str, now: int
) -> None:
    """Switch a webhook off and give up its waiting deliveries. Idempotent."""
    principal.check(Permission.WEBHOOKS)
    async with sessions.begin() as session:
        await _find(session, webhook_id)
        await switch_off(session, webhook_id, principal.actor, "switched off by an account", now)


async def switch_off(
    session: AsyncSession, webhook_id: str, actor: str, reason: str, now: int
) -> bool:
    """Switch a webhook off in the caller's transaction; return whether it was on."""
    query = update(Webhook).where(Webhook.id == webhook_id, Webhook.disabled_at.is_(None))
    changed = cast("CursorResult[None]", await session.execute(query.values(disabled_at=now)))
    if changed.rowcount == 0:
        return False
    await session.execute(
        update(Delivery)
        .where(Delivery.webhook == webhook_id, Delivery.next_at.is_not(None))
        .values(next_at=None, last_error="the webhook was switched off")
    )
    await _record(session, actor, "webhook.disable", webhook_id, now, {"reason": reason})
    return True


async def enable_webhook(
    sessions: Sessions, principal: Principal, webhook_id: str, now: int
) -> None:
    """Switch a webhook on again, for future events."""
    principal.check(Permission.WEBHOOKS)
    async with sessions.begin() as session:
        webhook = await _find(session, webhook_id)
        if webhook.disabled_at is None:
            return
        await _check_room(session)
        webhook.disabled_at = webhook.failing_since = None
        await session.flush()
        await _record(session, principal.actor, "webhook.enable", webhook_id, now, {})


async def ping_webhook(
    sessions: Sessions, principal: Principal, webhook_id: str, now: int, entropy: Entropy
) -> str:
    """Queue an event without data, to test a webhook; return the delivery's id."""
    principal.check(Permission.WEBHOOKS)
    event = make_event(PingData(), subject=webhook_id, time=now, occasion=entropy(16).hex())
    async with sessions.begin() as session:
        await _find_enabled(session, webhook_id)
        delivery = await enqueue_for(session, webhook_id, event, now)
        await session.flush()
        await _record(session, principal.actor, "webhook.ping", webhook_id, now, {})
    return delivery


async def redeliver(
    sessions: Sessions, principal: Principal, webhook_id: str, delivery_id: str, now: int
) -> None:
    """Restart an ended delivery; its event id stays, so receivers can recognise the repetition."""
    principal.check(Permission.WEBHOOKS)
    async with sessions.begin() as session:
        await _find_enabled(session, webhook_id)
        delivery = await session.get(Delivery, delivery_id)
        if delivery is None or delivery.webhook != webhook_id:
            raise NotFoundError("there is no such delivery to this webhook: look at the webhook.")
        if delivery.next_at is not None:
            raise ConflictError("this delivery has not ended yet: wait until it has.")
        delivery.next_at, delivery.delivered_at, delivery.attempts = now, None, 0
        await session.flush()
        detail = {"delivery": delivery_id}
        await _record(session, principal.actor, "webhook.redeliver", webhook_id, now, detail)


async def _find(session: AsyncSession, webhook_id: str) -> Webhook:
    webhook = await session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFoundError("there is no such webhook: look at the list of webhooks.")
    return webhook


async def _find_enabled(session: AsyncSession, webhook_id: str) -> None:
    if (await _find(session, webhook_id)).disabled_at is not None:
        raise ConflictError("this webhook is switched off: switch it on first.")


async def _check_room(session: AsyncSession) -> None:
    query = select(func.count()).select_from(Webhook).where(Webhook.disabled_at.is_(None))
    if (await session.scalar(query) or 0) >= MAX_WEBHOOKS:
        raise ConflictError(f"there are {MAX_WEBHOOKS} webhooks already: switch one off first.")


async def _record(
    session: AsyncSession,
    actor: str,
    action: str,
    webhook_id: str,
    now: int,
    detail: Mapping[str, object],
) -> None:
    await record(
        session, at=now, actor=actor, action=action, subject=f"webhook/{webhook_id}", detail=detail
    )
