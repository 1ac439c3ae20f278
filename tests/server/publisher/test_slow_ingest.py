"""Publishing while a bundle's packages are stored, and the room that they need."""

import asyncio
import hashlib
import threading
from datetime import timedelta

import pytest
from tuf.api.metadata import Metadata

from server.publisher.publisher import Publisher
from server.storage.local_blobs import LocalBlobs
from server.storage.room import Room
from tests.patience import PATIENCE
from tests.server.world import CHANNEL, PACKAGE_1, PACKAGE_2, halt

PATH = CHANNEL.pointer_path
SHA256 = hashlib.sha256(PACKAGE_2).hexdigest()


class SlowBlobs(LocalBlobs):
    """A store whose `ingest` signals its start and waits for the test."""

    def __init__(self, folder):
        super().__init__(folder)
        self.begun, self.go = threading.Event(), threading.Event()

    def ingest(self, source, sha256, length):
        """Signal the start, wait for the test, then copy."""
        self.begun.set()
        assert self.go.wait(PATIENCE)
        super().ingest(source, sha256, length)


@pytest.fixture
def slow(world):
    """Yield a world with a slow store and a waiting bundle with a package."""
    world.blobs = SlowBlobs(world.folder.blobs)
    world.bundle_id = world.submit(world.second_release(), [PACKAGE_2])
    yield world
    world.blobs.go.set()


async def test_halt_while_a_package_is_stored(slow):
    """A halt is published while a package is stored, and stays after the bundle is published."""
    async with slow.publisher() as publisher:
        bundle = asyncio.create_task(publisher.process_incoming())
        assert await asyncio.to_thread(slow.blobs.begun.wait, PATIENCE)
        await publisher.change_pointers(halt())
        published = await asyncio.to_thread(slow.published)
        assert published.pointers()[PATH].halted
        assert published.roles["armani"].version == 2
        assert not bundle.done()
        slow.blobs.go.set()
        (result,) = await bundle
    assert (result.status, result.snapshot) == ("published", 5)
    published = await asyncio.to_thread(slow.published)
    assert published.roles["armani"].version == 3
    assert published.pointers()[PATH].halted


async def test_another_process_publishes_the_bundle_first(slow):
    """If another process publishes the bundle first, the slower one ends without an alarm."""
    other = slow.on(slow.folder)
    async with slow.publisher() as first, other.publisher() as second:
        late = asyncio.create_task(first.process_incoming())
        assert await asyncio.to_thread(slow.blobs.begun.wait, PATIENCE)
        (result,) = await second.process_incoming()
        assert result.status == "published"
        slow.blobs.go.set()
        assert await late == []
    assert (slow.alarms, other.alarms) == ([], [])
    assert await asyncio.to_thread(lambda: list(slow.folder.incoming.iterdir())) == []


def test_blobs_of_unsigned_roles_are_not_stored(slow):
    """No blob of a bundle with unsigned roles is stored."""
    unsigned = slow.submit({("armani", 3): b"{}"}, [PACKAGE_2])
    slow.folder.incoming.joinpath(slow.bundle_id).rename(slow.folder.root / "later")
    (result,) = slow.run(lambda publisher: publisher.process_incoming())
    assert (result.id, result.status) == (unsigned, "refused")
    assert not slow.blobs.begun.is_set()
    assert slow.blobs.length(SHA256) is None


async def test_bundle_is_checked_again_after_another_publication(slow):
    """A bundle that only fits after another one is checked again, and published."""
    slow.blobs.go.set()
    data = await asyncio.to_thread(lambda: slow.second_release()["armani", 3])
    targets = Metadata.from_bytes(data)
    targets.signed.version = 4
    fourth = {("armani", 4): slow.ceremony.sign("armani", targets.signed)}
    fourth_id = await asyncio.to_thread(slow.submit, fourth)
    async with slow.publisher() as publisher:
        early = await publisher._importer.prepare(fourth_id)
        assert (early.refusal, early.is_whole) == (None, False)
        third = await publisher._importer.prepare(slow.bundle_id)
        async with publisher._lease.held():
            assert (await publisher._importer.process(third)).status == "published"
        async with publisher._lease.held():
            assert await publisher._importer.process(early) is None
        (result,) = await publisher.process_incoming()
        assert (result.id, result.status, result.reason) == (fourth_id, "published", "")


async def test_blob_removed_before_the_bundles_turn(slow):
    """If a stored blob is removed before the bundle's turn, the bundle stores it again."""
    slow.blobs.go.set()
    async with slow.publisher() as publisher:
        prepared = await publisher._importer.prepare(slow.bundle_id)
        assert prepared.is_whole
        await asyncio.to_thread(slow.blobs.remove, SHA256)
        async with publisher._lease.held():
            assert await publisher._importer.process(prepared) is None
        (result,) = await publisher.process_incoming()
        assert result.status == "published"
    assert await asyncio.to_thread(slow.blobs.length, SHA256) == len(PACKAGE_2)
    assert slow.alarms == []


async def test_store_does_not_answer(slow, monkeypatch):
    """If the store does not answer under the lease, the bundle is postponed after a timeout."""
    monkeypatch.setattr("server.storage.blobs.ANSWER_SECONDS", 0)
    slow.blobs.go.set()
    async with slow.publisher() as publisher:
        assert await publisher.process_incoming() == []
    (alarm,) = slow.alarms
    assert "is tried again later: the store of blobs does not answer within 0 seconds" in alarm


TIGHT = len(PACKAGE_1) + len(PACKAGE_2)


def test_bundle_waits_for_free_space(world):
    """Without room, a bundle is postponed with an alarm; it is published once there is room.

    A bundle without new blobs needs no room.
    """
    bundle_id = world.submit(world.second_release(), [PACKAGE_2])
    for room, named in (
        (Room(quota=TIGHT - 1, keep_free=0), "blob_quota"),
        (Room(keep_free=1 << 60), "keep_free"),
    ):
        world.alarms.clear()
        process(world, room)
        (alarm,) = world.alarms
        assert f"there is no room for {len(PACKAGE_2)} bytes" in alarm
        assert named in alarm
        assert LocalBlobs(world.folder.blobs).length(SHA256) is None
        assert not (world.folder.results / f"{bundle_id}.json").exists()
    small = world.submit({("tables", 2): world.ceremony.role("tables", 2)}, [PACKAGE_1])
    process(world, Room(quota=1, keep_free=1 << 60))
    assert world.result(small).status == "published"
    world.ahead = timedelta(minutes=1)
    process(world, Room(quota=TIGHT, keep_free=0))
    assert world.result(bundle_id).status == "published"


def process(world, room):
    """Process waiting bundles with these limits of space."""
    world.room = room
    world.run(Publisher.process_incoming)
