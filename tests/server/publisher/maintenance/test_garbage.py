"""Garbage collection removes old unreferenced blobs, and role files that are no longer served."""

import asyncio
import hashlib
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from server.publisher.inbox import LocalInbox
from server.publisher.maintenance.garbage import Garbage, Names, plan_drain, plan_garbage
from server.publisher.publisher import Publisher
from server.storage.blobs import StoredBlob
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from server.storage.models import Account, Blob, Upload
from tests.patience import PATIENCE
from tests.server.ceremony import release
from tests.server.core.content.samples import NEWS, pack
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND, halt, refresh_from_disk

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WEEK = timedelta(days=7)
STRAY = b"PK\x03\x04 stray"


def sha(data):
    """Return the name of a blob: its SHA-256."""
    return hashlib.sha256(data).hexdigest()


def test_plan_garbage():
    """Unreferenced blobs are removed once the grace time is over; referenced ones stay."""
    age = NOW.timestamp() - WEEK.total_seconds()
    old, edge, young = (
        StoredBlob(c * 64, 10, t) for c, t in (("a", age - 1), ("b", age), ("c", age + 1))
    )
    later = StoredBlob("d" * 64, 10, NOW.timestamp() + 9999)
    stored = [old, edge, young, later]
    assert plan_garbage(stored, set(), NOW, WEEK) == Garbage((old, edge), 0, 2)
    assert plan_garbage(stored, {"a" * 64, "c" * 64}, NOW, WEEK) == Garbage((edge,), 2, 1)
    assert plan_garbage(stored, {"e" * 64}, NOW, timedelta()).removed == (old, edge, young)
    assert plan_garbage([], set(), NOW, WEEK).size == 0
    assert plan_garbage(stored, set(), NOW, WEEK).size == 20


def put(world, data, days):
    """Add a blob to the store and make all blobs look that many days old; return its name."""
    source = world.folder.root / "source"
    source.write_bytes(data)
    blobs = LocalBlobs(world.folder.blobs)
    blobs.ingest(source, sha(data), len(data))
    age_all(world, days)
    return sha(data)


def age_all(world, days):
    """Make every blob look that many days old."""
    then = world.now().timestamp() - days * 86_400
    for blob in LocalBlobs(world.folder.blobs).list():
        os.utime(LocalBlobs(world.folder.blobs).path(blob.sha256), (then, then))


def collect(world, **options):
    """Collect garbage; return the names of the removed blobs."""
    done = world.run(lambda publisher: publisher.collect_garbage(WEEK, **options))
    return {blob.sha256 for blob in done.removed}


def stored(world):
    """Return the names of all blobs."""
    return {blob.sha256 for blob in LocalBlobs(world.folder.blobs).list()}


def records(world):
    """Return the names of all blobs with a record."""

    async def read(_publisher):
        async with open_database(world.folder.database) as sessions, sessions() as session:
            return set(await session.scalars(select(Blob.sha256)))

    return world.run(read)


def test_stray_blob_is_removed_after_the_grace_time(world):
    """A stray blob is removed after the grace time, and a dry run only lists it."""
    stray = put(world, STRAY, days=6)
    assert collect(world) == set()
    age_all(world, 8)
    assert collect(world, dry_run=True) == {stray}
    assert stored(world) == {stray, sha(PACKAGE_1)}
    assert collect(world) == {stray}
    assert collect(world) == set()
    assert stored(world) == {sha(PACKAGE_1)}
    assert refresh_from_disk(world.folder, [FIRST])[1] == {FIRST: PACKAGE_1}


def test_blobs_of_served_versions_stay(world):
    """A blob stays while a served superseded version of a role lists it."""
    first, old = world.ceremony.packs("content", 2, {"notices": {"first": NEWS}})
    assert world.publish({("content", 2): first}, old).reason == ""
    made = {}
    for version in range(3, 12):
        data, blobs = world.ceremony.packs(
            "content", version, {"notices": {"second": NEWS}}, packs={"notices": pack(2)}
        )
        made["content", version] = data
    last = {("content", 11): made.pop(("content", 11))}
    for files in ({("content", 3): made.pop(("content", 3))}, made):
        assert world.publish(files, blobs).reason == ""
        age_all(world, 8)
        assert collect(world) == set()
    assert world.publish(last).reason == ""
    assert collect(world) == {sha(old[0])}


def test_blobs_of_waiting_bundles_stay(world):
    """The blobs of a waiting bundle stay, as do stored blobs that its roles list."""
    here, brought = put(world, PACKAGE_2, days=8), b"PK\x03\x04 third"
    files = {
        FIRST: (PACKAGE_1, release(1)),
        SECOND: (PACKAGE_2, release(2)),
        "armani/id/stable/armani-3.zip": (brought, release(3)),
    }
    bundle = {("armani", 3): world.ceremony.role("armani", 3, files)}
    bundle_id = world.submit(bundle, [brought])
    put(world, brought, days=8)
    stray = put(world, STRAY, days=8)
    for name in ("photo", "photo/metadata"):
        (world.folder.incoming / name).mkdir()
    (world.folder.incoming / "photo" / "metadata" / "x.json").write_bytes(b"\xff")
    (world.folder.incoming / "a.zip").write_bytes(b"PK")
    assert {here, sha(brought), sha(PACKAGE_1)} <= Names(
        world.folder, LocalInbox(world.folder)
    ).load()
    assert collect(world) == {stray}
    waiting = world.folder.incoming / bundle_id
    waiting.rename(waiting.with_name(f".tmp-{bundle_id}"))
    assert collect(world) == set()


def test_blobs_of_uploads_stay(world):
    """The blob of an upload stays until the upload expires."""
    name = put(world, STRAY, days=8)

    async def upload(_publisher):
        async with open_database(world.folder.database) as sessions, sessions.begin() as session:
            session.add(Account(name="a", role="editor", codenames="[]", created_at=0))
            await session.flush()
            session.add(
                Upload(
                    id="u",
                    account="a",
                    length=len(STRAY),
                    sha256=name,
                    created_at=0,
                    expires_at=world.epoch() + 3600,
                    finished_at=1,
                )
            )

    world.run(upload)
    assert collect(world) == set()
    world.ahead = timedelta(hours=2)
    assert collect(world) == {name}


def test_nothing_is_removed_if_a_role_cannot_be_read(world):
    """If a role cannot be read, nothing is removed, because its references are unknown."""
    put(world, STRAY, days=8)
    (world.folder.public / "metadata" / "1.armani.json").write_bytes(b"{}")
    with pytest.raises(Exception, match="armani"):
        collect(world)
    assert stored(world) == {sha(STRAY), sha(PACKAGE_1)}


def test_removed_blob_has_no_record(world):
    """A removed blob has no record, so a bundle that needs it must bring it."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    stray = b"PK\x03\x04 unlisted"
    role = {("cancro", 2): world.ceremony.role("cancro", 2)}
    world.ceremony.blobs[sha(stray)] = stray
    assert world.publish(role, [stray]).reason == ""
    assert sha(stray) in records(world)
    age_all(world, 8)
    assert collect(world) == {sha(stray)}
    assert sha(stray) not in records(world)
    path = "cancro/id/stable/cancro-1.zip"
    fingerprint = "Hening/cancro/cancro:14/UKQ1/1:user/release-keys"
    listed = {path: (stray, release(1, fingerprint=fingerprint))}
    role = {("cancro", 3): world.ceremony.role("cancro", 3, listed)}
    assert "is neither in the bundle nor in the store" in world.publish(role).reason
    assert world.publish(role, [stray]).reason == ""


async def test_collection_waits_for_the_lease(world, monkeypatch):
    """Collection waits for the lease, and sees a bundle submitted meanwhile."""
    name = await asyncio.to_thread(put, world, PACKAGE_2, 8)
    async with world.publisher() as publisher, world.publisher() as collecting:
        take, is_waiting = collecting._lease._take, asyncio.Event()

        async def watch(*arguments, **options):
            is_waiting.set()
            return await take(*arguments, **options)

        monkeypatch.setattr(collecting._lease, "_take", watch)
        async with publisher._lease.held():
            collection = asyncio.create_task(collecting.collect_garbage(WEEK))
            async with asyncio.timeout(PATIENCE):
                await is_waiting.wait()
            await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
            assert not collection.done()
        assert (await collection).removed == ()
        await publisher.process_incoming()
    _, found = await asyncio.to_thread(refresh_from_disk, world.folder, [SECOND])
    assert found == {SECOND: PACKAGE_2}
    assert name in await asyncio.to_thread(stored, world)


async def test_halt_between_two_batches(world, monkeypatch):
    """A halt is published between two batches of removals."""
    monkeypatch.setattr("server.publisher.maintenance.garbage.BATCH", 1)
    monkeypatch.setattr("server.publisher.maintenance.garbage.PAUSE_SECONDS", 600)
    for number in range(3):
        await asyncio.to_thread(put, world, b"PK\x03\x04 stray %d" % number, 8)
    begun, path = asyncio.Event(), CHANNEL.pointer_path

    def note(step):
        if step == 2:
            begun.set()

    async with world.publisher(note) as collecting, world.publisher() as publisher:
        collection = asyncio.create_task(collecting.collect_garbage(WEEK))
        await begun.wait()
        await publisher.change_pointers(halt())
        assert (await asyncio.to_thread(world.published)).pointers()[path].halted
        assert not collection.done()
        collection.cancel()
        await asyncio.wait([collection])
    assert len(await asyncio.to_thread(stored, world)) == 3


async def test_halt_while_the_store_hangs(world, monkeypatch):
    """A halt is published while the store hangs in a removal; then the collection fails."""
    monkeypatch.setattr("server.storage.blobs.ANSWER_SECONDS", 0.1)
    stray, path = await asyncio.to_thread(put, world, STRAY, 8), CHANNEL.pointer_path
    begun, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Hanging(LocalBlobs):
        def remove(self, sha256):
            loop.call_soon_threadsafe(begun.set)
            assert go.wait(60)
            super().remove(sha256)

    async with world.publisher() as publisher:
        world.blobs = Hanging(world.folder.blobs)
        async with world.publisher() as collecting:
            try:
                collection = asyncio.create_task(collecting.collect_garbage(WEEK))
                await begun.wait()
                await publisher.change_pointers(halt())
                assert (await asyncio.to_thread(world.published)).pointers()[path].halted
                with pytest.raises(StorageError, match="does not answer within"):
                    await collection
            finally:
                go.set()
    assert stray not in await asyncio.to_thread(records, world)


def test_slow_store_has_small_batches(world, monkeypatch):
    """With a slow store, batches are small, and everything is removed in the end."""
    monkeypatch.setattr("server.publisher.maintenance.garbage.BATCH_SECONDS", -1)
    monkeypatch.setattr("server.publisher.maintenance.garbage.PAUSE_SECONDS", 0)
    strays = {put(world, b"PK\x03\x04 stray %d" % number, days=8) for number in range(3)}
    steps = []

    async def run():
        async with world.publisher(steps.append) as publisher:
            return await publisher.collect_garbage(WEEK)

    done = asyncio.run(run())
    assert {blob.sha256 for blob in done.removed} == strays
    assert (steps, done.named) == ([1, 2] * 3, 1)
    assert stored(world) == {sha(PACKAGE_1)}


def test_blob_referenced_before_its_batch_stays(world, monkeypatch):
    """A blob stays if a bundle references it before its batch begins."""
    monkeypatch.setattr("server.publisher.maintenance.garbage.BATCH", 1)
    monkeypatch.setattr("server.publisher.maintenance.garbage.PAUSE_SECONDS", 0)
    made = [world.ceremony.packs("content", 2, {"notices": {key: NEWS}}) for key in "ab"]
    first, second = sorted((sha(blob), blob, data) for data, [blob] in made)
    for each in (first, second):
        put(world, each[1], days=8)
    bundle = {("content", 2): second[2]}

    class Blobs(LocalBlobs):
        def remove(self, sha256):
            world.submit(bundle, [second[1]])
            super().remove(sha256)

    world.blobs = Blobs(world.folder.blobs)
    done = world.run(lambda publisher: publisher.collect_garbage(timedelta(days=7)))
    assert [blob.sha256 for blob in done.removed] == [first[0]]
    assert (done.named, done.young) == (2, 0)
    world.run(Publisher.process_incoming)
    assert stored(world) == {sha(PACKAGE_1), second[0]}
    assert world.published().roles["content"].version == 2


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def files(role, versions, at=NOON - 2 * HOUR):
    """Return names of a role's versions with the time at which they were written."""
    return {f"{version}.{role}.json": at for version in versions}


def test_plan_drain():
    """Of 20 versions the last nine stay: 12 to 20. Of nine versions all stay.

    Roots, the timestamp, unlisted roles, unpublished files and other names stay, too.
    """
    written = files("armani", range(1, 21)) | files("cancro", range(1, 10))
    gone = plan_drain(written, {"armani": 20, "cancro": 9}, NOON)
    assert sorted(gone) == sorted(files("armani", range(1, 12)))
    written |= files("root", range(1, 30)) | files("dior", range(1, 30))
    names = ("timestamp.json", "01.armani.json", ".tmp-1.armani.json")
    written |= dict.fromkeys(names, NOON - 9 * HOUR)
    assert plan_drain(written, {"armani": 9}, NOON) == []


def test_drain_grace_time():
    """The grace hour of version 1 begins when version 10 is written.

    If version 10 is burned, version 11 starts the hour for 1 and 2.
    """
    written = files("armani", range(1, 10), NOON - 99 * HOUR)
    for minutes, gone in ((0, []), (59, []), (60, ["1.armani.json"]), (-5, [])):
        ten = files("armani", [10], NOON - timedelta(minutes=minutes))
        assert plan_drain(written | ten, {"armani": 10}, NOON) == gone
    written |= files("armani", [11], NOON)
    assert plan_drain(written, {"armani": 11}, NOON) == []
    assert plan_drain(written, {"armani": 11}, NOON + HOUR) == ["1.armani.json", "2.armani.json"]
