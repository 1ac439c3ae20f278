"""Events about changes of the public state: publications, rollout steps and halts."""

import asyncio
import contextlib
import json
from datetime import timedelta

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from server.publisher.expiry.metrics import PublishMetrics
from server.publisher.expiry.monitor import Monitor
from server.publisher.publisher import Publisher
from server.publisher.rollout import plan_halt, plan_pause, plan_schedule
from server.release.webhooks import change_detector, deliveries
from server.release.webhooks.change_detector import ChangeDetector, queue_expiring
from server.storage.database import open_database
from server.storage.models import Delivery
from tests.server.release.webhooks.conftest import build_of, subscribe
from tests.server.world import CHANNEL, PACKAGE_2

PATH = CHANNEL.pointer_path


class Observed:
    """A change detector on a server's state folder, and the events that it queued."""

    def __init__(self, world, sessions):
        self.world, self.sessions, self.now = world, sessions, world.epoch()
        self.detector, self.seen = self.new_detector(), []

    def new_detector(self):
        """Return a new change detector, as after a restart."""
        return ChangeDetector(self.world.folder.public, self.sessions, lambda: self.now)

    async def run(self, action):
        """Run an action of the publisher."""
        async with self.world.publisher() as publisher:
            done = await action(publisher)
        self.now = max(self.now, self.world.epoch())
        return done

    async def edit(self, change):
        """Publish `change` applied to the only pointer."""

        def edit(published):
            return {PATH: change(published.pointers()[PATH])}

        await self.run(lambda publisher: publisher.change_pointers(edit))

    async def offer(self, **options):
        """Offer the second release."""
        offered = self.world.offer(2, **options)
        await self.run(lambda publisher: publisher.change_pointers(offered))

    async def publish_second(self):
        """Publish the second release."""
        files = self.world.second_release()
        identity = await asyncio.to_thread(self.world.submit, files, [PACKAGE_2])
        await self.run(Publisher.process_incoming)
        assert (await asyncio.to_thread(self.world.result, identity)).reason == ""

    async def new_events(self):
        """Detect changes; return type, subject and data of new events."""
        await self.detector.detect()
        async with self.sessions() as session:
            rows = [json.loads(text) for text in await session.scalars(select(Delivery.event))]
        events = sorted(
            ((event["type"], event["subject"], event["data"]) for event in rows),
            key=lambda event: (event[2].get("counter", 0), event[2].get("permille", 0)),
        )
        new = [event for event in events if event not in self.seen]
        assert len(rows) == len({event["id"] for event in rows})
        self.seen += new
        return new


@contextlib.asynccontextmanager
async def observing(world):
    """Yield a detector on a server with a webhook for all events."""
    async with open_database(world.folder.database) as sessions:
        await subscribe(sessions)
        yield Observed(world, sessions)


@pytest.fixture
async def observed(world):
    """Yield a detector that started after release 1 was offered to all devices."""
    async with observing(world) as found:
        assert await found.new_events() == []
        yield found


def rolled_out(counter, permille):
    """Return the expected event of a rollout step."""
    data = {"channel": "stable", "codename": "armani", "complete": permille == 1000}
    data |= {"counter": counter, "permille": permille, "region": "id", "build": build_of(counter)}
    return "rolled-out", "armani/id/stable", data


async def test_a_publication(observed):
    """A publication is reported with the versions of its new roles.

    A renewal without new content is not reported.
    """
    await observed.publish_second()
    assert await observed.new_events() == [
        ("published", "snapshot/4", {"roles": {"armani": 3}, "snapshot": 4, "timestamp": 4})
    ]
    assert await observed.new_events() == []
    observed.world.ahead = timedelta(days=4)
    await observed.run(Publisher.refresh)
    assert await observed.new_events() == []


async def test_a_first_publication(fresh):
    """The first publication reports every role, including root."""
    async with observing(fresh) as observed:
        assert await observed.new_events() == []
        files = fresh.first_roles()
        await asyncio.to_thread(fresh.submit, files)
        await observed.run(Publisher.process_incoming)
        ((kind, _, data),) = await observed.new_events()
        expected = {"root", "targets", "tables", "content", "armani", "cancro"}
        assert (kind, set(data["roles"])) == ("published", expected)


async def test_the_steps_of_a_rollout(observed):
    """Each rollout step is reported when it begins by the schedule, the last one as complete."""
    await observed.publish_second()
    await observed.new_events()
    start = observed.now
    schedule = [(start + 100, 10), (start + 200, 500), (start + 300, 1000)]
    offer = observed.world.offer(2)

    def edit(published):
        pointers = offer(published)
        return {**pointers, PATH: msgspec.structs.replace(pointers[PATH], schedule=schedule)}

    await observed.run(lambda publisher: publisher.change_pointers(edit))
    for seconds, begun in ((0, []), (99, []), (100, [10]), (101, []), (250, [500]), (251, [])):
        if seconds == 251:
            observed.detector = observed.new_detector()
        observed.now = start + seconds
        assert await observed.new_events() == [rolled_out(2, permille) for permille in begun]
    observed.now = start + 300
    assert await observed.new_events() == [rolled_out(2, 1000)]


async def test_offer_with_an_immediate_share(observed):
    """An offer is reported with its first share, later shares when they begin.

    A step is reported once, even if the clock jumps back.
    """
    await observed.publish_second()
    await observed.new_events()
    await observed.offer(permille=10)
    assert await observed.new_events() == [rolled_out(2, 10)]
    observed.now += 1
    await observed.edit(lambda p: plan_schedule(CHANNEL, p, [(observed.now, 1000)], observed.now))
    assert await observed.new_events() == [rolled_out(2, 1000)]
    for seconds in (-10_000, 10_001):
        observed.now += seconds
        observed.detector = observed.new_detector()
        assert await observed.new_events() == []
    async with observed.sessions() as session:
        assert len((await session.scalars(select(Delivery))).all()) == 3


async def test_a_halt(observed):
    """A halt is reported once with its reason; a pause or a new reason is not reported."""
    await observed.edit(lambda p: plan_pause(CHANNEL, p, {"en": "Wait."}, observed.now))
    assert await observed.new_events() == []
    await observed.edit(lambda p: plan_halt(CHANNEL, p, {"en": "It reboots."}))
    data = {"channel": "stable", "codename": "armani", "counter": 1, "region": "id"}
    data |= {"reason": {"en": "It reboots."}, "build": build_of(1)}
    assert await observed.new_events() == [("halted", "armani/id/stable", data)]
    await observed.edit(lambda p: plan_halt(CHANNEL, p, {"en": "It catches fire."}))
    assert await observed.new_events() == []


async def test_changes_while_no_process_ran(observed):
    """Changes made while no process ran are reported once, even by several processes."""
    await observed.edit(lambda p: plan_halt(CHANNEL, p, {}))
    detectors = [observed.new_detector() for _ in range(4)]
    await asyncio.gather(*(detector.detect() for detector in detectors), return_exceptions=True)
    for expected in (["halted"], []):
        observed.detector = observed.new_detector()
        assert [kind for kind, _, _ in await observed.new_events()] == expected


async def test_crash_while_events_are_queued(observed, monkeypatch):
    """After a crash, queued events are not queued again, and the others are."""
    monkeypatch.setattr(deliveries, "AT_ONCE", 1)
    await observed.publish_second()
    await observed.offer(permille=10)
    queued = []

    async def crash(session, events, at):
        if queued:
            raise RuntimeError("it crashed")
        queued.append(events[0].type)
        return await deliveries.enqueue_some(session, events, at)

    with monkeypatch.context() as patch:
        patch.setattr(change_detector, "enqueue_some", crash)
        with pytest.raises(RuntimeError):
            await observed.detector.detect()
    assert queued == ["published"]
    observed.detector = observed.new_detector()
    assert {kind for kind, _, _ in await observed.new_events()} == {"published", "rolled-out"}


async def test_unreadable_public_state(observed, monkeypatch):
    """If the public state cannot be read, this is logged once and retried."""
    detect, failures, detected = observed.detector.detect, 0, asyncio.Event()

    async def fail():
        nonlocal failures
        failures += 1
        if failures < 3:
            raise OSError("the disk is away")
        await detect()
        detected.set()

    monkeypatch.setattr("server.release.webhooks.change_detector.TICK_SECONDS", 0.01)
    monkeypatch.setattr(observed.detector, "detect", fail)
    await observed.edit(lambda p: plan_halt(CHANNEL, p, {}))
    task = asyncio.create_task(observed.detector.run())
    await detected.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    assert [kind for kind, _, _ in await observed.new_events()] == ["halted"]


async def poll_on_day(world, sessions, days):
    """Run a new monitor twice on a day, as after a restart."""

    async def queue(alarm):
        await queue_expiring(sessions, alarm, world.epoch())

    world.ahead = timedelta(days=days)
    metrics = PublishMetrics(CollectorRegistry(), lambda: 0.0)
    monitor = Monitor(world.folder, sessions, world.now, metrics, str, queue)
    await monitor.poll()
    await monitor.poll()


async def stored(sessions, role):
    """Return the queued events about a role's expiry, by percent."""
    async with sessions() as session:
        bodies = [json.loads(text) for text in await session.scalars(select(Delivery.event))]
    assert {body["type"] for body in bodies} <= {"expiring"}
    found = [body["data"] for body in bodies if body["subject"] == role]
    return sorted(found, key=lambda data: data["percent"])


async def test_expiry_is_reported_at_50_and_80_percent(world):
    """Expiry is reported once at 50 % and once at 80 % of the lifetime, despite restarts."""
    expires = await asyncio.to_thread(lambda: world.published().roles["armani"].expires)
    async with open_database(world.folder.database) as sessions:
        await subscribe(sessions, ["expiring"])
        await poll_on_day(world, sessions, 1)
        assert await stored(sessions, "armani") == []
        for days in (46, 47, 73, 74):
            await poll_on_day(world, sessions, days)
        data = await stored(sessions, "armani")
    assert [each["percent"] for each in data] == [51, 81]
    assert {each["expires"] for each in data} == {int(expires.timestamp())}
    assert {(each["role"], each["version"]) for each in data} == {("armani", 2)}
