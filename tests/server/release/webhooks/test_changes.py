"""Waiting and refused changes are reported in the transaction that records them."""

import json

import pytest
from sqlalchemy import select

from server.release.rollouts.changes import State
from server.release.rollouts.commands import Halt, Offer, Pause
from server.release.rollouts.plan import Plan, Stage
from server.release.webhooks.change_detector import ChangeDetector
from server.storage.models import Delivery
from tests.server.release.rollouts.harness import APPROVER, DAY, open_harness
from tests.server.release.webhooks.conftest import build_of, subscribe

OFFER = Offer(2, Plan([Stage(1000)]))


async def events(harness):
    """Return the queued events by type and change."""
    async with harness.sessions() as session:
        bodies = [json.loads(text) for text in await session.scalars(select(Delivery.event))]
    assert {body["subject"] for body in bodies} <= {"armani/id/stable"}
    return {(body["type"], body["data"].pop("change")): body["data"] for body in bodies}


@pytest.fixture
def world(second):
    """Return a server that offers the first of two releases."""
    return second


@pytest.fixture
async def harness(world):
    """Yield the rollout service with a webhook for changes and two-person approval."""
    async with open_harness(world, ["*/*/stable"]) as opened:
        await subscribe(opened.sessions, ["change-waiting", "change-refused"])
        yield opened


async def test_waiting_and_rejected_changes(harness):
    """A command that waits, and a rejection with its reason, are reported without names.

    A command that is carried out immediately is not reported.
    """
    await harness.request(Pause())
    assert await events(harness) == {}
    later = await harness.request(Halt(), due_at=harness.world.epoch() + DAY)
    change = await harness.request(OFFER)
    await harness.rollouts.reject(APPROVER, change.id, "Not on a Friday.")
    found = await events(harness)
    offer = {"action": "offer", "build": build_of(2)}
    assert found == {
        ("change-waiting", later.id): {"action": "halt", "waits_for": "time", "build": build_of(1)},
        ("change-waiting", change.id): {**offer, "waits_for": "approval"},
        ("change-refused", change.id): {**offer, "reason": "Not on a Friday."},
    }
    assert not {"eka", "ari"} & set(json.dumps(list(found.values())).split('"'))


async def test_refused_change(harness):
    """An approved change that is refused is reported with its reason."""
    first, second = [await harness.request(OFFER) for _ in range(2)]
    await harness.rollouts.approve(APPROVER, first.id)
    late = await harness.rollouts.approve(APPROVER, second.id)
    assert late.state == State.REFUSED
    stored = (await events(harness))["change-refused", second.id]
    assert stored == {"action": "offer", "reason": late.reason, "build": build_of(2)}


async def test_halt_is_reported_once(world):
    """A halt is reported when it is recorded, and not again by the change detector."""
    async with open_harness(world) as harness:
        await subscribe(harness.sessions, ["halted"])
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
