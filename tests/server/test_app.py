"""The whole server in one process: publishing, renewal, and faults that it survives."""

import asyncio
import contextlib
import http.client
import inspect
import json
import os
from datetime import timedelta
from types import SimpleNamespace

import pytest
import structlog

from server import alarms
from server.alarms import Instruments
from server.app import running
from server.http.requests import GateMode
from server.observability import FIELDS
from server.publish_loop import TICK_SECONDS, publish_for_ever
from server.publisher.expiry.clock import load_clock_record
from server.publisher.expiry.monitor import Monitor
from server.publisher.plan import newest_signature
from server.publisher.publisher import Publisher
from server.settings import Settings
from server.snapshot_watch import WATCH_SECONDS, SnapshotWatch
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE
from tests.postgres import PASSWORD
from tests.server.ceremony import release
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND


class CutError(Exception):
    """Simulates the death of a process."""


def get(port, path):
    """Fetch a path, and return its status and JSON document."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def timestamp_version(port):
    """Return the version of the served timestamp."""
    return get(port, "/metadata/timestamp.json")[1]["signed"]["version"]


async def until(condition):
    """Wait until a condition holds, which is called in a thread; a coroutine is awaited here."""
    async with asyncio.timeout(PATIENCE):
        while True:
            holds = await asyncio.to_thread(condition)
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.02)


def test_polling_intervals():
    """The two polling intervals together take at most half a second."""
    assert TICK_SECONDS + WATCH_SECONDS <= 0.5


async def test_monitor_polls_after_each_publication(world, monkeypatch):
    """The monitor polls after each publication, without waiting for its next round."""
    monkeypatch.setattr(alarms, "POLL_SECONDS", 2 * PATIENCE)
    poll, seen = Monitor.poll, asyncio.Queue()

    async def look(self):
        reasons = await poll(self)
        seen.put_nowait({each.role: each.version for each in self.seen.lifetimes}.get("armani"))
        return reasons

    monkeypatch.setattr(Monitor, "poll", look)
    async with running(world.folder, Settings(port=0), world.now, entropy=os.urandom):
        async with asyncio.timeout(PATIENCE):
            assert await seen.get() == 2
            await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
            while await seen.get() != 3:  # an earlier round may report the old version
                pass


async def test_read_back_in_strict_mode(world):
    """In strict mode the server's read-back passes the gate, so nothing is logged as an error."""
    with structlog.testing.capture_logs() as logs:
        settings = Settings(port=0, gate=GateMode.STRICT)
        async with running(world.folder, settings, world.now, entropy=os.urandom):
            files = world.second_release()
            bundle_id = await asyncio.to_thread(world.submit, files, [PACKAGE_2])
            await until(lambda: not (world.folder.incoming / bundle_id).exists())
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_roles_are_renewed_in_time(world):
    """After two hours the timestamp is signed again; after four days all online roles are."""
    for ahead, timestamp, latest in ((timedelta(hours=2), 4, 2), (timedelta(days=4), 5, 3)):
        world.ahead = ahead
        async with running(world.folder, Settings(port=0), world.now, entropy=os.urandom) as port:
            await until(lambda p=port, v=timestamp: timestamp_version(p) == v)
            assert (await asyncio.to_thread(get, port, f"/metadata/{latest}.latest.json"))[0] == 200


async def test_broken_tree_keeps_the_last_snapshot(world, monkeypatch):
    """An invalid or missing timestamp leaves the last good snapshot in use.

    Each fault is logged at most once. A timestamp that disappears between identification and
    loading does not lead to an empty snapshot.
    """
    shown = []

    async def show(snapshot):
        shown.append(await asyncio.sleep(0, snapshot))

    watch = SnapshotWatch(world.folder, LocalBlobs(world.folder.blobs), show)
    await watch.poll()
    good = watch.current
    assert good.version == 3
    timestamp = world.folder.public / "metadata" / "timestamp.json"
    data = await asyncio.to_thread(timestamp.read_bytes)
    for broken in (b"{}", b"", data.replace(b'"version":3', b'"version":"x"')):
        with structlog.testing.capture_logs() as logs:
            await asyncio.to_thread(timestamp.write_bytes, broken)
            await watch.poll()
            await watch.poll()
        assert watch.current is good
        assert len([entry for entry in logs if entry["log_level"] == "error"]) <= 1
    await asyncio.to_thread(timestamp.unlink)
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.setattr("server.snapshot_watch.identify_timestamp", lambda _public: (1, 1))
        await watch.poll()
    assert [entry["error"] for entry in logs] == ["the public timestamp is gone."]
    await watch.poll()
    assert watch.current is good
    await asyncio.to_thread(timestamp.write_bytes, data)
    await watch.poll()
    assert watch.current.version == 3
    assert watch.current is not good
    assert shown == [good, watch.current]


async def test_altered_superseded_files_are_not_served(world):
    """Altered superseded files are not served; the other files are, and one error names them."""
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2))}
    assert (
        await asyncio.to_thread(world.publish, world.second_release(), [PACKAGE_2])
    ).reason == ""
    data = {}
    altered = ["/log/checkpoint", "/metadata/1.armani.json", "/metadata/1.snapshot.json"]
    for url in altered:
        path = world.folder.public / url[1:]
        before = await asyncio.to_thread(path.read_bytes)
        await asyncio.to_thread(path.unlink)
        await asyncio.to_thread(path.write_bytes, before.replace(b"1", b"2"))
        data[path] = before
    shown = []

    async def show(snapshot):
        shown.append(await asyncio.sleep(0, snapshot))

    watch = SnapshotWatch(world.folder, LocalBlobs(world.folder.blobs), show)
    with structlog.testing.capture_logs() as logs:
        await watch.poll()
        checkpoint = world.folder.public / "log" / "checkpoint"
        await asyncio.to_thread(checkpoint.write_bytes, data[checkpoint])
        role = world.ceremony.role("armani", 4, files)
        assert (await asyncio.to_thread(world.publish, {("armani", 4): role})).reason == ""
        await watch.poll()
    first, second = shown
    assert first.current["armani"] == 3
    assert second.current["armani"] == 4
    for snapshot in shown:
        assert "/metadata/2.armani.json" in snapshot.documents
        assert not snapshot.documents.keys() & set(altered[1:])
        assert snapshot.is_gone("/metadata/1.armani.json")
    assert "/log/checkpoint" not in first.documents
    assert "/log/checkpoint" in second.documents
    (error,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert error["error"] == f"restore 3 from a copy: {', '.join(altered)}."
    assert error.keys() - {"log_level"} <= FIELDS


async def test_publishing_continues_after_a_failure(world, monkeypatch):
    """An unexpected failure is counted and logged, and the next bundle is published."""
    process = Publisher.process_incoming

    def fail_once(_publisher):
        monkeypatch.setattr(Publisher, "process_incoming", process)
        raise ZeroDivisionError("the publisher is broken")

    monkeypatch.setattr(Publisher, "process_incoming", fail_once)
    with structlog.testing.capture_logs() as logs:
        async with running(world.folder, Settings(port=0), world.now, entropy=os.urandom):
            await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
            await until(lambda: world.published().roles["armani"].version == 3)
    failed = [entry for entry in logs if entry["log_level"] == "error"]
    assert [entry["error"] for entry in failed] == ["the publisher is broken"]


async def test_clock_jump_keeps_the_old_time(world):
    """After a jump of 30 days the server raises an alarm and signs with the old time.

    Servers that start later use the old time, too.
    """
    before = await asyncio.to_thread(world.published)
    settings = Settings(port=0)
    with structlog.testing.capture_logs() as logs:
        async with running(world.folder, settings, world.now, entropy=os.urandom):
            world.ahead = timedelta(days=30)
            await until(lambda: load_clock_record(world.folder).is_doubted)
        for version in (2, 3):
            async with running(world.folder, settings, world.now, entropy=os.urandom):
                files = {("cancro", version): world.ceremony.role("cancro", version)}
                await asyncio.to_thread(world.submit, files)
                await until(lambda v=version: world.published().roles["cancro"].version == v)
        after = await asyncio.to_thread(world.published)
    assert newest_signature(after) - newest_signature(before) < timedelta(hours=1)
    messages = [entry["error"] for entry in logs if entry["event"] == "alarm"]
    clock = [sentence for sentence in messages if sentence.startswith("the clock jumped by +25")]
    assert len(clock) == 3


async def test_failed_publishing_does_not_stop_renewal(world, monkeypatch):
    """The timestamp is renewed even if publishing fails; a stray zip is logged once."""
    looks = []

    async def fail(_publisher):
        looks.append(await asyncio.sleep(0))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Publisher, "process_incoming", fail)
    await asyncio.to_thread((world.folder.incoming / "armani.zip").write_bytes, b"PK")
    world.ahead = timedelta(hours=2)
    with structlog.testing.capture_logs() as logs:
        async with running(world.folder, Settings(port=0), world.now, entropy=os.urandom) as port:
            await until(lambda: timestamp_version(port) == 4)
            so_far = len(looks)
            await until(lambda: len(looks) > so_far + 1)
    ignored = [entry for entry in logs if "not a bundle" in entry["event"]]
    assert [entry["submission"] for entry in ignored] == ["armani.zip"]


async def test_interrupted_publication_is_completed(world):
    """The running server completes a publication that a killed command left half done."""

    def die(step):
        if step == 4:
            raise CutError

    async def command():
        async with world.publisher(die) as publisher:
            await publisher.change_pointers(lambda _published: {})

    async with running(world.folder, Settings(port=0), world.now, entropy=os.urandom) as port:
        with pytest.raises(CutError):
            await asyncio.to_thread(asyncio.run, command())
        await until(lambda: timestamp_version(port) == 4)
        await until(lambda: not world.folder.staging.exists())


@pytest.mark.needs("postgresql")
async def test_database_outage(fresh, postgres):
    """Without its database, the server still serves phones; it publishes when it is back.

    No log line contains the password.
    """
    address = await asyncio.to_thread(postgres.make_database)
    world = fresh.on(StateFolder(fresh.folder.root, address))
    with structlog.testing.capture_logs() as logs:
        async with running(world.folder, Settings(port=0), world.now, entropy=os.urandom) as port:
            first = await asyncio.to_thread(world.first_roles)
            await asyncio.to_thread(world.submit, first)
            await until(lambda: get(port, "/metadata/timestamp.json")[0] == 200)
            await asyncio.to_thread(postgres.stop)
            try:
                role = world.ceremony.role("tables", 2)
                bundle = await asyncio.to_thread(world.submit, {("tables", 2): role})
                await until(lambda: any("check that it runs" in str(entry) for entry in logs))
                assert await asyncio.to_thread(timestamp_version, port) == 1
            finally:
                await asyncio.to_thread(postgres.start)
            await until(lambda: not (world.folder.incoming / bundle).exists())
            assert (await asyncio.to_thread(get, port, "/metadata/2.tables.json"))[0] == 200
    assert PASSWORD not in str(logs)
    result = await asyncio.to_thread(world.result, bundle)
    assert (result.status, result.snapshot) == ("published", 2)
    public = world.keys.log_verifier.public
    leaves = await asyncio.to_thread(check_log, world.folder, public)
    await asyncio.to_thread(check_metadata_is_logged, world.folder, leaves)


async def test_renewals_and_commands_run_beside_a_bundle(tmp_path):
    """While a bundle's packages are stored, renewals and due commands still run."""
    begun, calls, enough = asyncio.Event(), [], asyncio.Event()

    def turn(name, result):
        async def work():
            await begun.wait()
            calls.append(name)
            if calls.count("due") == 2:
                enough.set()
            return result

        return work

    async def nothing():
        await asyncio.sleep(0)

    async def take_long():
        begun.set()
        await asyncio.Event().wait()

    async def drain():
        await asyncio.sleep(0)
        return 0

    async def interrupted():
        await asyncio.sleep(0)
        return False

    publisher = SimpleNamespace(
        repair=nothing,
        complete=turn("complete", None),
        refresh=turn("refresh", ""),
        process_incoming=take_long,
        drain=drain,
    )
    rollouts = SimpleNamespace(run_due=turn("due", []), is_interrupted=interrupted)
    clock = asyncio.get_running_loop().time
    tools = Instruments(clock, clock, lambda _step: None)
    renewed = asyncio.Event()
    task = asyncio.create_task(
        publish_for_ever(publisher, rollouts, tmp_path, tools, asyncio.Event(), renewed)
    )
    await enough.wait()
    assert renewed.is_set()
    assert calls[:5] == ["complete", "refresh", "due", "complete", "refresh"]
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
