"""Waiting and refused changes are reported in the transaction that records them."""

import json

import pytest
from sqlalchemy import select

from server.release.rollouts.changes import State
from server.release.rollouts.commands import Halt, Offer, Pause
from server.release.rollouts.plan import Plan, Stage
from server.release.webhooks.change_detector import ChangeDetector
from server.storage.models import Delivery
from tests.server.release.auth.issue import account_row
from tests.server.release.rollouts.harness import APPROVER, DAY, open_harness
from tests.server.release.webhooks.conftest import Post, named
from tests.server.release.webhooks.receiver import Receiver

OFFER = Offer(2, Plan([Stage(1000)]))


async def events(harness):
    """Return the queued events by type and change."""
    async with harness.sessions() as session:
        bodies = [json.loads(text) for text in await session.scalars(select(Delivery.event))]
    assert {body["subject"] for body in bodies} <= {"armani/id/stable"}
    return {(body["type"], body["data"].pop("change")): body["data"] for body in bodies}


@pytest.fixture
async def told(two):
    """Yield the rollout service with a webhook for changes and two-person approval."""
    async with open_harness(two, ["*/*/stable"]) as harness:
        async with harness.sessions.begin() as session:
            session.add(account_row())
        receiver = Receiver(url="https://hooks.example.org/")
        await Post(harness.sessions).create(receiver, ["change-waiting", "change-refused"])
        yield harness


async def test_what_waits(told):
    """A command that waits, and a rejection with its reason, are reported without names.

    A command that is carried out immediately is not reported.
    """
    await told.request(Pause())
    assert await events(told) == {}
    later = await told.request(Halt(), due_at=told.world.epoch() + DAY)
    change = await told.request(OFFER)
    await told.rollouts.reject(APPROVER, change.id, "Not on a Friday.")
    found = await events(told)
    offer = {"action": "offer", "build": named(2)}
    assert found == {
        ("change-waiting", later.id): {"action": "halt", "waits_for": "time", "build": named(1)},
        ("change-waiting", change.id): {**offer, "waits_for": "approval"},
        ("change-refused", change.id): {**offer, "reason": "Not on a Friday."},
    }
    assert not {"eka", "ari"} & set(json.dumps(list(found.values())).split('"'))


async def test_what_does_not_fit(told):
    """An approved change that is refused is reported with its reason."""
    first, second = [await told.request(OFFER) for _ in range(2)]
    await told.rollouts.approve(APPROVER, first.id)
    late = await told.rollouts.approve(APPROVER, second.id)
    assert late.state == State.REFUSED
    stored = (await events(told))["change-refused", second.id]
    assert stored == {"action": "offer", "reason": late.reason, "build": named(2)}


async def test_a_halt_is_told_though_an_offer_follows_at_once(two):
    """A halt is reported when it is recorded, and not again by the change detector."""
    async with open_harness(two) as harness:
        async with harness.sessions.begin() as session:
            session.add(account_row())
        receiver = Receiver(url="https://hooks.example.org/")
        await Post(harness.sessions).create(receiver, ["halted"])
        detector = ChangeDetector(two.folder.public, harness.sessions, two.epoch)
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
