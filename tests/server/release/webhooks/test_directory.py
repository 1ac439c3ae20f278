"""Management of webhooks: permissions, refusals and audit-log entries."""

import hashlib
import json
import os

import pytest

from server.core.errors import FormatError
from server.release.auth.principal import Role
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
from tests.server.release.auth.issue import audit_log, principal
from tests.server.release.webhooks.conftest import ADMIN, on_both

URL = "https://hooks.example.org/T0/secret"


async def recorded(harness):
    """Return actor, action and detail of all entries of the audit log."""
    entries = await audit_log(harness.sessions)
    return [(entry.actor, entry.action, json.loads(entry.detail)) for entry in entries]


async def create(harness, by=ADMIN, url=URL, events=("halted",)):
    """Create a webhook that may not use private addresses."""
    return await create_webhook(
        harness.sessions, by, url, events, harness.now, os.urandom, private=False
    )


@on_both
async def test_create(harness):
    """A webhook has its own secret; the audit log has neither secret nor address."""
    first = await create(harness, events=["published", "halted", "halted"])
    second = await create(harness)
    assert first.secret.startswith("whsec_")
    assert first.secret != second.secret
    assert json.loads(first.events) == ["halted", "published"]
    listed = [webhook.id for webhook in await list_webhooks(harness.sessions)]
    assert sorted(listed) == sorted([first.id, second.id])
    actor, action, detail = (await recorded(harness))[0]
    assert (actor, action, detail["events"]) == ("ani", "webhook.create", ["halted", "published"])
    data = f"{first.secret}\n{first.url}".encode()
    assert detail["fingerprint"] == hashlib.sha256(data).hexdigest()
    assert first.url not in str(detail)
    assert "hooks.example.org" not in json.dumps(await recorded(harness))


async def test_invalid_addresses(harness):
    """Invalid addresses are refused."""
    for url, sentence in (
        ("http://hooks.example.org/", "https"),
        ("https://10.0.0.1/", "private"),
    ):
        with pytest.raises(FormatError, match=sentence):
            await create(harness, url=url)
    assert (await list_webhooks(harness.sessions), await recorded(harness)) == ([], [])


async def test_missing_permission(harness):
    """Without the permission, no operation on webhooks is allowed."""
    webhook, sessions, now = (await create(harness)).id, harness.sessions, harness.now
    other = principal("eve", Role.APPROVER)
    for refused in (
        create(harness, other),
        disable_webhook(sessions, other, webhook, now),
        enable_webhook(sessions, other, webhook, now),
        ping_webhook(sessions, other, webhook, now, os.urandom),
        redeliver(sessions, other, webhook, "x", now),
        rotate_secret(sessions, other, webhook, 60, now, os.urandom),
    ):
        with pytest.raises(PermissionDeniedError):
            await refused
    assert len(await recorded(harness)) == 1


async def test_limit_of_webhooks(harness, monkeypatch):
    """The limit counts enabled webhooks only."""
    monkeypatch.setattr(directory, "MAX_WEBHOOKS", 1)
    first = await create(harness)
    with pytest.raises(ConflictError, match="there are 1 webhooks already"):
        await create(harness)
    await disable_webhook(harness.sessions, ADMIN, first.id, harness.now)
    await create(harness)
    with pytest.raises(ConflictError):
        await enable_webhook(harness.sessions, ADMIN, first.id, harness.now)


@on_both
async def test_disable_and_enable(harness, receiver):
    """Disabling gives up waiting events; enabled again, the webhook gets new ones."""
    webhook = await harness.create(receiver)
    await harness.halted(1)
    for _ in range(2):
        await disable_webhook(harness.sessions, ADMIN, webhook, harness.now)
    await harness.halted(2)
    for _ in range(2):
        await enable_webhook(harness.sessions, ADMIN, webhook, harness.now)
    event = await harness.halted(3)
    await harness.deliverer.deliver_due()
    assert receiver.ids == [event.id]
    assert [action for _, action, _ in await recorded(harness)] == [
        "webhook.create",
        "webhook.disable",
        "webhook.enable",
    ]


async def test_a_ping(harness, receiver):
    """A ping is an event without data, which every webhook gets."""
    webhook = await harness.create(receiver, [EventType.EXPIRING])
    first = await ping_webhook(harness.sessions, ADMIN, webhook, harness.now, os.urandom)
    second = await ping_webhook(harness.sessions, ADMIN, webhook, harness.now, os.urandom)
    assert first != second
    await harness.deliverer.deliver_due()
    assert [(event["type"], event["data"]) for event in receiver.received] == [("ping", {})] * 2
    assert len(set(receiver.ids)) == 2


async def test_redeliver(harness, receiver):
    """A finished delivery can be repeated with its id; a pending one cannot."""
    webhook = await harness.create(receiver)
    event = await harness.halted(1)
    (delivery,) = await harness.deliveries(webhook)
    with pytest.raises(ConflictError, match="has not ended yet"):
        await redeliver(harness.sessions, ADMIN, webhook, delivery.id, harness.now)
    await harness.deliverer.deliver_due()
    await redeliver(harness.sessions, ADMIN, webhook, delivery.id, harness.now)
    await harness.deliverer.deliver_due()
    assert receiver.ids == [event.id, event.id]


async def test_unknown_webhooks_and_deliveries(harness):
    """An unknown webhook, and another webhook's delivery, are not found."""
    webhook, other = await create(harness), await create(harness)
    await harness.halted(1)
    (delivery,) = await harness.deliveries(other.id)
    with pytest.raises(NotFoundError):
        await redeliver(harness.sessions, ADMIN, webhook.id, delivery.id, harness.now)
    with pytest.raises(NotFoundError):
        await load_webhook(harness.sessions, "0" * 32)
    for change in (disable_webhook, enable_webhook):
        with pytest.raises(NotFoundError):
            await change(harness.sessions, ADMIN, "0" * 32, harness.now)
    await disable_webhook(harness.sessions, ADMIN, webhook.id, harness.now)
    with pytest.raises(ConflictError, match="switched off"):
        await ping_webhook(harness.sessions, ADMIN, webhook.id, harness.now, os.urandom)


async def test_a_rotation(harness):
    """A rotation is recorded with its overlap, and without a secret."""
    webhook = await create(harness)
    await rotate_secret(harness.sessions, ADMIN, webhook.id, 60, harness.now, os.urandom)
    actor, action, detail = (await recorded(harness))[-1]
    assert (actor, action, detail["overlap_seconds"]) == ("ani", "webhook.rotate", 60)
    assert set(detail) == {"fingerprint", "overlap_seconds"}
