"""A running server publishes a bundle, and a receiver on loopback gets the event."""

import asyncio
import os

import structlog

from server.app import running
from server.release.webhooks.directory import create_webhook
from server.settings import Settings
from server.storage.database import open_database
from tests.server.release.auth.issue import add_account
from tests.server.release.webhooks.conftest import ADMIN
from tests.server.test_app import until
from tests.server.world import PACKAGE_2


async def test_publication_is_delivered(world, receiver):
    """A bundle in `incoming` leads to an event; neither secret nor URL is logged."""
    settings = Settings(port=0, webhook_private=True)
    with structlog.testing.capture_logs() as logs:
        async with running(world.folder, settings, world.now, entropy=os.urandom):
            async with open_database(world.folder.database) as sessions:
                await add_account(sessions)
                chosen = (receiver.url, ["published"], world.epoch(), os.urandom)
                made = await create_webhook(sessions, ADMIN, *chosen, private=True)
            receiver.secret, receiver.status = made.secret, 500
            await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
            await receiver.wait(1)

            async def is_logged():  # noqa: RUF029 - `until` awaits it
                return any(entry.get("webhook") == made.id for entry in logs)

            await until(is_logged)
    (event,) = receiver.received
    assert (event["type"], event["data"]["roles"]) == ("published", {"armani": 3})
    for hidden in (made.secret, made.secret[6:], receiver.url, "/hook"):
        assert hidden not in str(logs)
