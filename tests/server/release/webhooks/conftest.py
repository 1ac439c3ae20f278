"""Fixtures: a database with an admin and a test clock, and a webhook receiver."""

import os
from dataclasses import dataclass, field
from typing import get_args

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from server.publisher.build_names import BuildName
from server.release.api.webhooks import Subscribed
from server.release.auth.principal import Role
from server.release.webhooks.deliveries import enqueue
from server.release.webhooks.delivery import WebhookDelivery, WebhookMetrics
from server.release.webhooks.directory import create_webhook, load_webhook
from server.release.webhooks.event import HaltedData, make_event
from server.release.webhooks.sender import Sender
from server.storage.database import open_database
from tests.server.ceremony import release
from tests.server.release.auth.issue import add_account, principal
from tests.server.release.webhooks.receiver import Receiver, receiving
from tests.server.world import PACKAGE_1, PACKAGE_2

#: For tests that need more of the database than rows: run on both.
on_both = pytest.mark.parametrize(
    "database",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))],
    indirect=True,
)
SUBSCRIBABLE = get_args(Subscribed)
ADMIN = principal(role=Role.ADMIN)


def build_of(counter):
    """Return an event's member about a build of the test server."""
    length = {1: len(PACKAGE_1), 2: len(PACKAGE_2)}[counter]
    made = release(counter)
    patch_level, built_at = made["security_patch_level"], made["post_timestamp"]
    name = BuildName(
        counter, f"{counter}", "14", patch_level, length, built_at, f"Build {counter}."
    )
    return msgspec.to_builtins(name)


@dataclass
class Harness:
    """A queue of events, its delivery, and the alarms."""

    sessions: object
    now: int = 1_800_000_000
    alarms: list = field(default_factory=list)

    def __post_init__(self):
        self.deliverer = self.new_deliverer()

    def new_deliverer(self):
        """Return a new deliverer, as after a restart."""
        sender = Sender(private=True)
        self.registry = CollectorRegistry()
        metrics = WebhookMetrics(self.registry)
        clock = lambda: self.now  # noqa: E731
        return WebhookDelivery(
            self.sessions, sender, clock, os.urandom, self.alarms.append, metrics
        )

    def metric(self, name, **labels):
        """Return the value of a metric of the newest deliverer."""
        return self.registry.get_sample_value(f"hening_webhook{name}", labels)

    async def create(self, receiver, events=SUBSCRIBABLE):
        """Make a webhook to a receiver and give it the secret; return the webhook's id."""
        webhook = await create_webhook(
            self.sessions, ADMIN, receiver.url, events, self.now, os.urandom, private=True
        )
        receiver.secret = webhook.secret
        return webhook.id

    async def halted(self, number):
        """Queue an event, as a source does, and return it."""
        event = halted(number, self.now)
        async with self.sessions.begin() as session:
            await enqueue(session, event, self.now)
        return event

    async def deliveries(self, webhook):
        """Return a webhook's deliveries, oldest first."""
        return (await load_webhook(self.sessions, webhook))[1][::-1]


def halted(number, now):
    """Return the event that a channel's release `number` was halted."""
    data = HaltedData("stable", "armani", number, {"en": "It reboots."}, "id")
    return make_event(data, subject="armani/id/stable", time=now, occasion=str(number))


@pytest.fixture
def database(request, make_place):
    """Return the place of a database, by default on SQLite."""
    return make_place(getattr(request, "param", "sqlite"))


async def subscribe(sessions, events=SUBSCRIBABLE):
    """Add an admin's account, and a webhook for `events`."""
    await add_account(sessions)
    await Harness(sessions).create(Receiver(url="https://hooks.example.org/"), events)


@pytest.fixture
async def harness(database):
    """Yield a queue whose delivery may use private addresses."""
    async with open_database(database) as sessions:
        await add_account(sessions)
        yield Harness(sessions)


@pytest.fixture
async def receiver():
    """Yield a receiver that accepts every message."""
    async with receiving() as found:
        yield found
