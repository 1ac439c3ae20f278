"""Management of webhooks: permissions, refusals and audit-log entries."""

import hashlib
import json

import pytest
from sqlalchemy import select

from server.core.errors import FormatError
from server.release.auth.principal import ROLE_PERMISSIONS, Principal, Role
from server.release.errors import ConflictError, NotFoundError, PermissionDeniedError
from server.release.webhooks import directory
from server.release.webhooks.directory import (
    create_webhook,
    disable_webhook,
    enable_webhook,
    list_webhooks,
    load_webhook,
    ping_webhook,
    redeliver,
    rotate_secret,
)
from server.release.webhooks.event import EventType
from server.storage.models import AuditLogEntry
from tests.server.release.webhooks.conftest import ADMIN, on_both

URL = "https://hooks.example.org/T0/secret"


async def audit_log(post):
    """Return actor, action and detail of all entries."""
    async with post.sessions() as session:
        entries = await session.scalars(select(AuditLogEntry).order_by(AuditLogEntry.index))
        return [(entry.actor, entry.action, json.loads(entry.detail)) for entry in entries]


async def create(post, **changed):
    """Make a webhook as an admin does."""
    values = {"principal": ADMIN, "url": URL, "events": ["halted"], "private": False} | changed
    principal, url, events = (values.pop(name) for name in ("principal", "url", "events"))
    return await create_webhook(
        post.sessions, principal, url, events, post.now, post.entropy, **values
    )


@on_both
async def test_a_webhook_is_made(post):
    """A webhook has its own secret; the audit log has neither secret nor address."""
    first = await create(post, events=["published", "halted", "halted"])
    second = await create(post)
    assert first.secret.startswith("whsec_")
    assert first.secret != second.secret
    assert json.loads(first.events) == ["halted", "published"]
    assert [webhook.id for webhook in await list_webhooks(post.sessions)] in (
        [first.id, second.id],
        [second.id, first.id],
    )
    actor, action, detail = (await audit_log(post))[0]
    assert (actor, action, detail["events"]) == ("ani", "webhook.create", ["halted", "published"])
    data = f"{first.secret}\n{first.url}".encode()
    assert detail["fingerprint"] == hashlib.sha256(data).hexdigest()
    assert first.url not in str(detail)
    assert "hooks.example.org" not in json.dumps(await audit_log(post))


async def test_what_no_webhook_can_be(post):
    """Invalid event types and addresses are refused."""
    for changed, sentence in (
        ({"events": []}, "needs event types"),
        ({"events": ["ping"]}, "'ping' is not an event type"),
        ({"events": ["halted", "everything"]}, "'everything' is not an event type"),
        ({"url": "http://hooks.example.org/"}, "https"),
        ({"url": "https://10.0.0.1/"}, "private"),
    ):
        with pytest.raises(FormatError, match=sentence):
            await create(post, **changed)
    assert (await list_webhooks(post.sessions), await audit_log(post)) == ([], [])


async def test_who_may_not(post):
    """Without the permission, no operation on webhooks is allowed."""
    webhook, sessions, now = (await create(post)).id, post.sessions, post.now
    other = Principal("eve", Role.APPROVER, ROLE_PERMISSIONS[Role.APPROVER], ("*",))
    for refused in (
        create(post, principal=other),
        disable_webhook(sessions, other, webhook, now),
        enable_webhook(sessions, other, webhook, now),
        ping_webhook(sessions, other, webhook, now, post.entropy),
        redeliver(sessions, other, webhook, "x", now),
        rotate_secret(sessions, other, webhook, 60, now, post.entropy),
    ):
        with pytest.raises(PermissionDeniedError):
            await refused
    assert len(await audit_log(post)) == 1


async def test_there_is_a_limit(post, monkeypatch):
    """The limit counts enabled webhooks only."""
    monkeypatch.setattr(directory, "MAX_WEBHOOKS", 1)
    first = await create(post)
    with pytest.raises(ConflictError, match="there are 1 webhooks already"):
        await create(post)
    await disable_webhook(post.sessions, ADMIN, first.id, post.now)
    await create(post)
    with pytest.raises(ConflictError):
        await enable_webhook(post.sessions, ADMIN, first.id, post.now)


@on_both
async def test_off_and_on(post, receiver):
    """Disabling gives up waiting events; enabled again, the webhook gets new ones."""
    webhook = await post.create(receiver)
    await post.halted(1)
    for _ in range(2):
        await disable_webhook(post.sessions, ADMIN, webhook, post.now)
    await post.halted(2)
    for _ in range(2):
        await enable_webhook(post.sessions, ADMIN, webhook, post.now)
    event = await post.halted(3)
    await post.deliverer.deliver_due()
    assert receiver.ids == [event.id]
    assert [action for _, action, _ in await audit_log(post)] == [
        "webhook.create",
        "webhook.disable",
        "webhook.enable",
    ]


async def test_a_ping(post, receiver):
    """A ping is an event without data, which every webhook gets."""
    webhook = await post.create(receiver, [EventType.EXPIRING])
    first = await ping_webhook(post.sessions, ADMIN, webhook, post.now, post.entropy)
    second = await ping_webhook(post.sessions, ADMIN, webhook, post.now, post.entropy)
    assert first != second
    await post.deliverer.deliver_due()
    assert [(event["type"], event["data"]) for event in receiver.received] == [("ping", {})] * 2
    assert len(set(receiver.ids)) == 2


async def test_again(post, receiver):
    """A finished delivery can be repeated with its id; a pending one cannot."""
    webhook = await post.create(receiver)
    event = await post.halted(1)
    (delivery,) = await post.deliveries(webhook)
    with pytest.raises(ConflictError, match="has not ended yet"):
        await redeliver(post.sessions, ADMIN, webhook, delivery.id, post.now)
    await post.deliverer.deliver_due()
    await redeliver(post.sessions, ADMIN, webhook, delivery.id, post.now)
    await post.deliverer.deliver_due()
    assert receiver.ids == [event.id, event.id]


async def test_what_is_not_there(post):
    """An unknown webhook, and another webhook's delivery, are not found."""
    webhook, other = await create(post), await create(post)
    await post.halted(1)
    (delivery,) = await post.deliveries(other.id)
    with pytest.raises(NotFoundError):
        await redeliver(post.sessions, ADMIN, webhook.id, delivery.id, post.now)
    with pytest.raises(NotFoundError):
        await load_webhook(post.sessions, "0" * 32)
    for change in (disable_webhook, enable_webhook):
        with pytest.raises(NotFoundError):
            await change(post.sessions, ADMIN, "0" * 32, post.now)
    await disable_webhook(post.sessions, ADMIN, webhook.id, post.now)
    with pytest.raises(ConflictError, match="switched off"):
        await ping_webhook(post.sessions, ADMIN, webhook.id, post.now, post.entropy)


async def test_a_rotation(post):
    """A rotation is recorded with its overlap, at most a week, and without a secret."""
    webhook = await create(post)
    for overlap in (-1, 7 * 86_400 + 1):
        with pytest.raises(FormatError, match="0 to 604800"):
            await rotate_secret(post.sessions, ADMIN, webhook.id, overlap, post.now, post.entropy)
    await rotate_secret(post.sessions, ADMIN, webhook.id, 60, post.now, post.entropy)
    actor, action, detail = (await audit_log(post))[-1]
    assert (actor, action, detail["overlap_seconds"]) == ("ani", "webhook.rotate", 60)
    assert set(detail) == {"fingerprint", "overlap_seconds"}
