"""Webhooks: addresses that receive events, and their deliveries."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from server.release.api import PREFIX
from server.release.api.operation import Call, Operations, Reply
from server.release.auth.principal import Permission
from server.release.webhooks import directory
from server.release.webhooks.urls import MAX_URL
from server.storage.models import Delivery, Webhook

OPERATIONS = Operations(permission=Permission.WEBHOOKS)

Subscribed = Literal[
    "published", "rolled-out", "halted", "expiring", "change-waiting", "change-refused"
]
Seconds = Annotated[int, msgspec.Meta(description="Epoch seconds.")]


class NewWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook to create: an address, and the events that it receives."""

    url: Annotated[str, msgspec.Meta(max_length=MAX_URL, description="https://HOST/PATH")]
    events: Annotated[list[Subscribed], msgspec.Meta(min_length=1, max_length=16)]
    """Types of events; `ping` is sent only on request."""


class WebhookState(msgspec.Struct, frozen=True):
    """One webhook."""

    id: str
    url: str
    events: list[Subscribed]
    created_by: str
    created_at: Seconds
    disabled_at: Seconds | None
    failing_since: Seconds | None
    former_until: Seconds | None
    """Until when the former secret signs, too."""


class WebhookSecret(WebhookState, frozen=True):
    """A webhook with the secret that was just created."""

    secret: str
    """The secret, which cannot be shown again."""


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The replacement of a secret."""

    overlap: Annotated[int, msgspec.Meta(ge=0, le=directory.LONGEST_OVERLAP)] = 86_400
    """Seconds for which the former secret signs, too; 0 after a leak."""


class DeliveryState(msgspec.Struct, frozen=True):
    """The delivery of an event to a webhook: delivered, due at `next_at`, or given up."""

    id: str
    event: dict[str, Any]
    """The event that is sent, see docs/FORMATS.md section 13."""
    created_at: Seconds
    attempts: int
    next_at: Seconds | None
    delivered_at: Seconds | None
    last_error: str


class WebhookDetails(WebhookState, frozen=True):
    """One webhook and its latest deliveries, newest first."""

    deliveries: list[DeliveryState]


class Webhooks(msgspec.Struct, frozen=True):
    """All webhooks, oldest first."""

    items: list[WebhookState]


class QueuedDelivery(msgspec.Struct, frozen=True):
    """The id of a delivery that is queued now."""

    delivery: str


async def _reply_again(call: Call, _entry: Mapping[str, Any]) -> Reply:
    """Answer with the present state of the webhook that was enabled or disabled."""
    return await _reply(call)


async def _redeliver_again(_call: Call, entry: Mapping[str, Any]) -> Reply:
    """Answer with the delivery that was restarted."""
    return Reply(QueuedDelivery(entry["detail"]["delivery"]))


@OPERATIONS.on(
    "POST /webhooks",
    "Create a webhook",
    request=NewWebhook,
    response=WebhookSecret,
    status=201,
    secret=True,
)
async def create_webhook(call: Call) -> Reply:
    """Create a webhook. Only this answer has the secret that signs its events."""
    services = call.services
    webhook = await directory.create_webhook(
        services.sessions,
        call.caller,
        call.body.url,
        call.body.events,
        services.epoch(),
        services.entropy,
        private=services.settings.webhook_private,
    )
    return Reply(
        WebhookSecret(**_describe(webhook), secret=webhook.secret),
        headers={"Location": f"{PREFIX}/webhooks/{webhook.id}"},
    )


@OPERATIONS.on("GET /webhooks", "List webhooks", response=Webhooks)
async def list_webhooks(call: Call) -> Reply:
    """List all webhooks, including disabled ones."""
    found = await directory.list_webhooks(call.services.sessions)
    return Reply(Webhooks([WebhookState(**_describe(webhook)) for webhook in found]))


@OPERATIONS.on("GET /webhooks/{webhook}", "Show a webhook", response=WebhookDetails)
async def get_webhook(call: Call) -> Reply:
    """Return one webhook with its latest deliveries."""
    return await _reply(call)


@OPERATIONS.on(
    "POST /webhooks/{webhook}/rotate",
    "Rotate a webhook's secret",
    request=Rotation,
    response=WebhookSecret,
    secret=True,
)
async def rotate_secret(call: Call) -> Reply:
    """Replace a webhook's secret. Only this answer has it. The old one signs during `overlap`."""
    services = call.services
    webhook = await directory.rotate_secret(
        services.sessions,
        call.caller,
        call.path["webhook"],
        call.body.overlap,
        services.epoch(),
        services.entropy,
    )
    return Reply(WebhookSecret(**_describe(webhook), secret=webhook.secret))


@OPERATIONS.on(
    "POST /webhooks/{webhook}/disable",
    "Disable a webhook",
    again=_reply_again,
    response=WebhookDetails,
)
async def disable_webhook(call: Call) -> Reply:
    """Disable a webhook; its waiting deliveries are given up."""
    webhook, services = call.path["webhook"], call.services
    await directory.disable_webhook(services.sessions, call.caller, webhook, services.epoch())
    return await _reply(call)


@OPERATIONS.on(
    "POST /webhooks/{webhook}/enable",
    "Enable a webhook",
    again=_reply_again,
    response=WebhookDetails,
)
async def enable_webhook(call: Call) -> Reply:
    """Enable a webhook again, for future events."""
    webhook, services = call.path["webhook"], call.services
    await directory.enable_webhook(services.sessions, call.caller, webhook, services.epoch())
    return await _reply(call)


@OPERATIONS.on(
    "POST /webhooks/{webhook}/ping", "Test a webhook", response=QueuedDelivery, status=202
)
async def ping_webhook(call: Call) -> Reply:
    """Send an event without data, to test a webhook."""
    services = call.services
    delivery = await directory.ping_webhook(
        services.sessions, call.caller, call.path["webhook"], services.epoch(), services.entropy
    )
    return Reply(QueuedDelivery(delivery))


@OPERATIONS.on(
    "POST /webhooks/{webhook}/deliveries/{delivery}/redeliver",
    "Repeat a delivery",
    again=_redeliver_again,
    response=QueuedDelivery,
    status=202,
)
async def redeliver_event(call: Call) -> Reply:
    """Repeat a delivery that succeeded or was given up, with the same event id."""
    services, delivery = call.services, call.path["delivery"]
    await directory.redeliver(
        services.sessions, call.caller, call.path["webhook"], delivery, services.epoch()
    )
    return Reply(QueuedDelivery(delivery))


async def _reply(call: Call) -> Reply:
    found, deliveries = await directory.load_webhook(call.services.sessions, call.path["webhook"])
    shown = [_describe_delivery(delivery) for delivery in deliveries]
    return Reply(WebhookDetails(**_describe(found), deliveries=shown))


def _describe(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": msgspec.json.decode(webhook.events, type=list[Subscribed]),
        "created_by": webhook.created_by,
        "created_at": webhook.created_at,
        "disabled_at": webhook.disabled_at,
        "failing_since": webhook.failing_since,
        "former_until": webhook.former_until,
    }


def _describe_delivery(delivery: Delivery) -> DeliveryState:
    return DeliveryState(
        id=delivery.id,
        event=msgspec.json.decode(delivery.event, type=dict[str, Any]),
        created_at=delivery.created_at,
        attempts=delivery.attempts,
        next_at=delivery.next_at,
        delivered_at=delivery.delivered_at,
        last_error=delivery.last_error,
    )
