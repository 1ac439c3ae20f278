"""A bundle without enough disk space waits, and is published when there is space."""

import hashlib
from datetime import timedelta

import pytest

from server.publisher.publisher import Publisher
from server.storage.database import open_database
from server.storage.local_blobs import LocalBlobs
from server.storage.room import Room
from tests.server.world import PACKAGE_1, PACKAGE_2

TIGHT = len(PACKAGE_1) + len(PACKAGE_2)


@pytest.mark.parametrize(
    ("room", "named"),
    [(Room(quota=TIGHT - 1, keep_free=0), "blob_quota"), (Room(keep_free=1 << 60), "keep_free")],
    ids=["quota", "disk"],
)
def test_a_bundle_waits_for_room(world, room, named):
    """It is postponed with an alarm before a blob is copied; with space it is published."""
    bundle_id = world.submit(world.second_release(), [PACKAGE_2])
    process(world, room)
    (alarm,) = world.alarms
    assert f"there is no room for {len(PACKAGE_2)} bytes" in alarm
    assert named in alarm
    name = hashlib.sha256(PACKAGE_2).hexdigest()
    assert LocalBlobs(world.folder.blobs).length(name) is None
    assert not (world.folder.results / f"{bundle_id}.json").exists()
    world.ahead = timedelta(minutes=1)
    process(world, Room(quota=TIGHT, keep_free=0))
    assert world.result(bundle_id).status == "published"


def test_what_is_here_needs_no_room(world):
    """A bundle without new blobs is published however full the disk is."""
    bundle_id = world.submit({("tables", 2): world.ceremony.role("tables", 2)}, [PACKAGE_1])
    process(world, Room(quota=1, keep_free=1 << 60))
    assert world.alarms == []
    assert world.result(bundle_id).status == "published"


def process(world, room):
    """Process what waits, with this free space."""

    async def act(_publisher):
        async with open_database(world.folder.database) as sessions:
            publisher = Publisher(
                world.folder,
                sessions,
                world.now,
                read_nothing,
                world.alarms.append,
                room=room,
            )
            async with publisher.read_backs:
                await publisher.process_incoming()

    world.run(act)


async def read_nothing(_publication):
    """Read nothing back."""
