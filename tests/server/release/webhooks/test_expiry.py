"""A role whose life runs out is told to webhooks that asked for it, once for each crossing."""

import asyncio
import json
from datetime import timedelta

from prometheus_client import CollectorRegistry
from sqlalchemy import select

from server.publisher.publish_metrics import PublishMetrics
from server.publisher.watchman import Watchman
from server.release.webhooks.expiry import tell_expiring
from server.storage.control_models import Account, Delivery
from server.storage.database import open_database
from tests.server.release.webhooks.conftest import Post
from tests.server.release.webhooks.receiver import Receiver


async def rounds(world, sessions, days):
    """Send a new watchman round twice on a day, as after a restart."""

    async def tell(alarm):
        await tell_expiring(sessions, alarm, world.epoch())

    world.ahead = timedelta(days=days)
    metrics = PublishMetrics(CollectorRegistry(), lambda: 0.0)
    watchman = Watchman(world.folder, sessions, world.now, metrics, str, tell)
    await watchman.look()
    await watchman.look()


async def told(sessions, role):
    """Return the data of the queued events about a role, by percent."""
    async with sessions() as session:
        bodies = [json.loads(text) for text in await session.scalars(select(Delivery.event))]
    assert {body["type"] for body in bodies} <= {"expiring"}
    found = [body["data"] for body in bodies if body["subject"] == role]
    return sorted(found, key=lambda data: data["percent"])


async def test_each_crossing_is_told_once(world):
    """Armani lives 90 days: nothing on day 1, once at 50 % and once at 80 %, restarts or not."""
    expires = await asyncio.to_thread(lambda: world.published().roles["armani"].expires)
    async with open_database(world.folder.database) as sessions:
        async with sessions.begin() as session:
            session.add(Account(name="ani", role="admin", codenames='["*"]\n', created_at=1))
        await Post(sessions).create(Receiver(url="https://hooks.example.org/"), ["expiring"])
        await rounds(world, sessions, 1)
        assert await told(sessions, "armani") == []
        for days in (46, 47, 73, 74):
            await rounds(world, sessions, days)
        data = await told(sessions, "armani")
    assert [each["percent"] for each in data] == [51, 81]
    assert {each["expires"] for each in data} == {int(expires.timestamp())}
    assert {(each["role"], each["version"]) for each in data} == {("armani", 2)}
