"""The health, readiness and metrics endpoints, and what makes a server not ready."""

import asyncio
import contextlib
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import delete

from server.alarms import Maintenance
from server.health import serving_health
from server.publisher.expiry.metrics import PublishMetrics
from server.publisher.expiry.monitor import Monitor
from server.storage.database import open_database
from server.storage.layout import StateFolder
from server.storage.models import LogEntry
from server.storage.room import Room
from tests.server.ceremony import release
from tests.server.world import FIRST, PACKAGE_1


def ask(port, path):
    """Return status and body of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_endpoints():
    """The listener answers /healthz, /readyz with its reasons, and /metrics; / gives 404."""
    reasons = ["the database does not answer."]
    with serving_health(0, CollectorRegistry(), lambda: reasons) as port:
        assert ask(port, "/healthz") == (200, "ok\n")
        assert ask(port, "/readyz") == (503, "the database does not answer.\n")
        reasons.clear()
        assert ask(port, "/readyz") == (200, "ready\n")
        assert ask(port, "/metrics")[0] == 200
        assert ask(port, "/")[0] == 404


@contextlib.asynccontextmanager
async def monitoring(world, **options):
    """Yield a monitor, its messages, and the registry of its metrics."""
    registry, messages = CollectorRegistry(), []
    async with open_database(world.folder.database) as sessions:
        metrics = PublishMetrics(registry, lambda: 0.0)
        say = messages.append
        yield (
            Monitor(world.folder, sessions, world.now, metrics, say, **options),
            messages,
            registry,
        )


async def poll_monitor(world, rounds=1):
    """Run a monitor for some rounds; return its last reasons, its messages, and the metrics."""
    async with monitoring(world) as (monitor, messages, registry):
        for _ in range(rounds):
            reasons = await monitor.poll()
    return reasons, messages, generate_latest(registry).decode()


async def test_sound_server_is_ready(world):
    """A sound server is ready, and its metrics name each existing role."""
    reasons, messages, text = await poll_monitor(world)
    assert (reasons, messages) == ([], [])
    for role in ("root", "targets", "armani", "cancro", "latest", "snapshot", "timestamp"):
        assert f'hening_role_life_used_ratio{{role="{role}"}} ' in text
    assert 'hening_rollouts{state="offered"} 1.0' in text
    assert "hening_incoming_bundles 0.0" in text
    published = await asyncio.to_thread(world.published)
    expires = int(published.root.expires.timestamp())
    line = next(x for x in text.splitlines() if 'expiry_timestamp_seconds{role="root"}' in x)
    assert float(line.rpartition(" ")[2]) == expires


async def test_ageing_roles(world):
    """Ageing roles are logged once in two rounds; only expired online roles make it not ready."""
    world.ahead = timedelta(days=60)
    reasons, messages, _ = await poll_monitor(world, rounds=2)
    assert len(messages) == len(set(messages)) == 8
    assert any(s.startswith("armani has used 67% of its life") for s in messages)
    assert {r.partition(" ")[0] for r in reasons} == {"latest", "snapshot", "timestamp"}


async def test_monitor_keeps_lifetimes_and_alarms(world):
    """The monitor keeps every role's lifetime, and the alarms sorted by severity.

    A clock that is behind the newest signature is logged once and is no reason to be not ready.
    """
    async with monitoring(world) as (monitor, messages, _):
        world.ahead = timedelta(days=60)
        await monitor.poll()
        assert {each.role for each in monitor.seen.lifetimes} >= {"root", "armani", "timestamp"}
        assert [alarm.severity for alarm in monitor.seen.alarms][:3] == ["expired"] * 3
        messages.clear()
        world.ahead = timedelta(hours=-1)
        assert await monitor.poll() == await monitor.poll() == []
        assert (monitor.seen.is_behind, monitor.seen.alarms) == (True, ())
    (sentence,) = messages
    assert "was signed at" in sentence


async def notices_of(world, **options):
    """Run a monitor for two rounds; return its notices and messages."""
    async with monitoring(world, **options) as (monitor, messages, _):
        for _ in range(2):
            await monitor.poll()
    return [(notice.subject, notice.severity) for notice in monitor.notices], messages


async def test_disk_quota_and_log_alarms(world):
    """A full disk, a full quota and lost log rows each raise one notice and one message."""
    assert await notices_of(world) == ([], [])
    room = Room(len(PACKAGE_1), keep_free=200)
    found, messages = await notices_of(world, free=lambda: 100, room=room)
    assert found == [("disk", "critical"), ("quota", "critical")]
    assert len(messages) == 2
    async with open_database(world.folder.database) as sessions, sessions.begin() as session:
        await session.execute(delete(LogEntry).where(LogEntry.index > 3))
    found, (sentence,) = await notices_of(world)
    assert found == [("log", "critical")]
    assert "run `hening-server rebuild`" in sentence


async def test_alarms_are_listed_once(world):
    """The operator's list has each sentence once: readiness, clock, disk, then the roles."""

    class Keeper:
        async def poll(self):
            return ["the clock jumped."]

    world.ahead = timedelta(days=60)
    async with monitoring(world, free=lambda: 1) as (monitor, _, _):
        upkeep = Maintenance(monitor, Keeper(), lambda: False, lambda: 0.0)
        upkeep.renewed.set()
        task = asyncio.create_task(upkeep.run())
        while len(upkeep.alarms()) < 5:  # noqa: ASYNC110 - the monitor sets no event
            await asyncio.sleep(0.01)
        task.cancel()
    seen = [(notice.subject, notice.severity) for notice in upkeep.alarms()]
    assert seen[:3] == [("server", "critical"), ("clock", "critical"), ("disk", "critical")]
    assert ("armani", "warning") in seen
    assert ("timestamp", "expired") in seen
    sentences = [notice.sentence for notice in upkeep.alarms()]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("lost", ["keys/timestamp.pem", "public/metadata/1.targets.json"])
async def test_missing_file_makes_the_server_not_ready(world, lost):
    """A missing key or role file makes the server not ready, and the reason names the file."""
    await asyncio.to_thread((world.folder.root / lost).unlink)
    (reason,), _, _ = await poll_monitor(world)
    assert lost.rpartition("/")[2] in reason


@pytest.mark.needs("postgresql")
def test_database_outage_makes_the_server_not_ready(fresh, postgres):
    """A stopped database makes the next round not ready; once it is back, the round is ready."""
    world = fresh.on(StateFolder(fresh.folder.root, postgres.make_database()))
    assert world.publish(world.first_roles()).reason == ""

    async def rounds():
        async with monitoring(world) as (monitor, _, _):
            before = await monitor.poll()
            await asyncio.to_thread(postgres.stop)
            try:
                during = await monitor.poll()
            finally:
                await asyncio.to_thread(postgres.start)
            return before, during, await monitor.poll()

    before, (reason,), after = asyncio.run(rounds())
    assert (before, after) == ([], [])
    assert "database" in reason


async def test_fresh_server_is_not_ready(fresh):
    """A fresh server is not ready before its first submission."""
    assert (await poll_monitor(fresh))[0] == ["nothing is published yet."]


def test_expired_model_blocks_no_other_model(world):
    """An expired model neither makes the server not ready nor blocks other models."""
    world.ceremony.now -= timedelta(days=89)
    assert world.publish({("cancro", 2): world.ceremony.role("cancro", 2)}).reason == ""
    world.ceremony.now += timedelta(days=89)
    world.ahead = timedelta(days=2)
    reasons, messages, _ = asyncio.run(poll_monitor(world))
    assert any(s.startswith("cancro is expired") for s in messages)
    assert not any("cancro" in reason for reason in reasons)
    files = {("armani", 3): world.ceremony.role("armani", 3, {FIRST: (PACKAGE_1, release(1))})}
    assert world.publish(files).reason == ""


async def test_stuck_monitor_makes_the_server_not_ready():
    """A monitor without a round for a minute, or a missing snapshot, makes it not ready."""
    time = [0.0]

    class Still:
        async def poll(self):
            return []

    upkeep = Maintenance(Still(), Still(), lambda: False, lambda: time[0])
    not_serving = "no snapshot is loaded, or no worker serves it."
    assert upkeep.reasons() == ["this server has just started.", not_serving]
    upkeep.renewed.set()
    task = asyncio.create_task(upkeep.run())
    while "this server has just started." in upkeep.reasons():  # noqa: ASYNC110 - no event is set
        await asyncio.sleep(0)
    assert upkeep.reasons() == [not_serving]
    time[0] = 61.0
    assert "over a minute ago" in upkeep.reasons()[0]
    task.cancel()


def test_durations_of_publishing_steps():
    """The duration of each publishing step is counted; a change of pointers begins at step 3."""
    registry, time = CollectorRegistry(), [0.0]
    metrics = PublishMetrics(registry, lambda: time[0])
    for step, at in ((0, 1.0), (3, 1.5), (4, 1.75), (5, 2.0), (6, 2.0), (7, 3.0)):
        time[0] = at
        metrics.after_step(step)
    text = generate_latest(registry).decode()
    for line in (
        'hening_publish_step_seconds_sum{step="3"} 0.5',
        'hening_publish_step_seconds_sum{step="4"} 0.25',
        'hening_publish_step_seconds_count{step="2"} 0.0',
        'hening_publish_step_seconds_sum{step="7"} 1.0',
        'hening_publications_total{result="published"} 1.0',
        'hening_publications_total{result="refused"} 0.0',
    ):
        assert line in text
