"""Waiting and refused changes are reported, in the transaction that records them."""

import asyncio
import contextlib
import json

from sqlalchemy import select

from server.release.rollouts.changes import State
from server.release.rollouts.commands import Halt, Offer, Pause
from server.release.rollouts.plan import Plan, Stage
from server.release.webhooks.change_detector import ChangeDetector
from server.storage.control_models import Delivery
from tests.server.release.auth.issue import account_row
from tests.server.release.rollouts.harness import APPROVER, DAY, open_harness
from tests.server.release.webhooks.conftest import Post, named
from tests.server.release.webhooks.receiver import Receiver
from tests.server.world import PACKAGE_2

OFFER = Offer(2, Plan([Stage(1000)]))


@contextlib.asynccontextmanager
async def told_of_changes(world):
    """Give the service, with a webhook for changes, where offers need a second person."""
    async with open_harness(world, ["*/*/stable"]) as harness:
        async with harness.sessions.begin() as session:
            session.add(account_row())
        receiver = Receiver(url="https://hooks.example.org/")
        await Post(harness.sessions).create(receiver, ["change-waiting", "change-refused"])
        yield harness


async def events(harness):
    """Return type, change and the rest of all queued events."""
    async with harness.sessions() as session:
        bodies = [json.loads(text) for text in await session.scalars(select(Delivery.event))]
    assert {body["subject"] for body in bodies} <= {"armani/id/stable"}
    return {(body["type"], body["data"].pop("change")): body["data"] for body in bodies}


async def test_what_waits(world):
    """A command that waits for a person or for its time is reported; one carried out is not."""
    async with told_of_changes(world) as harness:
        await harness.request(Pause())
        assert await events(harness) == {}
        later = await harness.request(Halt(), due_at=world.epoch() + DAY)
        assert await events(harness) == {
            ("change-waiting", later.id): {
                "action": "halt",
                "waits_for": "time",
                "build": named(1),
            }
        }


def test_who_waits(world):
    """A wait for approval and a rejection with its reason are reported; names are not."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""

    async def story():
        async with told_of_changes(world) as harness:
            change = await harness.request(OFFER)
            await harness.rollouts.reject(APPROVER, change.id, "Not on a Friday.")
            found = await events(harness)
            assert found == {
                ("change-waiting", change.id): {
                    "action": "offer",
                    "waits_for": "approval",
                    "build": named(2),
                },
                ("change-refused", change.id): {
                    "action": "offer",
                    "reason": "Not on a Friday.",
                    "build": named(2),
                },
            }
            assert not {"eka", "ari"} & set(json.dumps(list(found.values())).split('"'))

    asyncio.run(story())


def test_what_does_not_fit(world):
    """An approved change that does not fit any more is reported with its message."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""

    async def story():
        async with told_of_changes(world) as harness:
            first, second = [await harness.request(OFFER) for _ in range(2)]
            await harness.rollouts.approve(APPROVER, first.id)
            late = await harness.rollouts.approve(APPROVER, second.id)
            assert late.state == State.REFUSED
            stored = (await events(harness))["change-refused", second.id]
            assert stored == {"action": "offer", "reason": late.reason, "build": named(2)}

    asyncio.run(story())


async def test_a_halt_is_told_though_an_offer_follows_at_once(world):
    """Before the next check of the public state, which does not report it a second time."""
    await asyncio.to_thread(world.publish, world.second_release(), [PACKAGE_2])
    async with open_harness(world) as harness:
        async with harness.sessions.begin() as session:
            session.add(account_row())
        receiver = Receiver(url="https://hooks.example.org/")
        await Post(harness.sessions).create(receiver, ["halted"])
        detector = ChangeDetector(world.folder.public, harness.sessions, world.epoch)
        await detector.detect()
        await harness.request(Halt({"en": "It drains the battery."}))
        await harness.request(OFFER)
        await detector.detect()
        await harness.request(Halt())
        await harness.request(Halt())
        await detector.detect()
        async with harness.sessions() as session:
            bodies = [json.loads(text) for text in await session.scalars(select(Delivery.event))]
    stored = sorted((body["data"]["counter"], body["data"]["reason"]) for body in bodies)
    assert stored == [(1, {"en": "It drains the battery."}), (2, {})]
