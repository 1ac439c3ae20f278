"""A database that is lost or older than the public state: publishing waits for `rebuild`."""

import asyncio
import hashlib
import shutil

import pytest
from sqlalchemy import delete, select, update

from server.core.errors import HeningError, LogError
from server.publisher.maintenance.rebuild import Rebuilt
from server.publisher.publisher import Publisher
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from server.storage.models import Blob, LogEntry, Submission
from tests.cases import case
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.world import PACKAGE_1, PACKAGE_2, open_log

# The log of the world: seven roles of the ceremony, armani 2, and latest 2, which offers release 1.
BLOB_1 = hashlib.sha256(PACKAGE_1).hexdigest()


def change(world, *statements):
    """Run statements on the database."""

    async def inside():
        async with open_database(world.folder.database) as sessions, sessions.begin() as session:
            for statement in statements:
                await session.execute(statement)

    asyncio.run(inside())


def rows(world):
    """Return the rows that can be rebuilt, without their times."""

    async def inside():
        async with open_database(world.folder.database) as sessions, sessions() as session:
            entries = await session.scalars(select(LogEntry).order_by(LogEntry.index))
            blobs = await session.scalars(select(Blob).order_by(Blob.sha256))
            submissions = await session.scalars(select(Submission).order_by(Submission.id))
            return (
                [(row.index, row.role, row.version, row.sha256) for row in entries],
                [(row.sha256, row.length) for row in blobs],
                [(row.id, row.status, row.snapshot, row.finished_at) for row in submissions],
            )

    return asyncio.run(inside())


def public(world):
    """Return every public file with its bytes."""
    paths = [path for path in world.folder.public.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in paths}


def lose(world):
    """Delete the database."""
    for path in world.folder.root.glob("hening.sqlite*"):
        path.unlink()


def check_log_continues(world, before):
    """Publish another release, and check that the log continues."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    leaves = check_log(world.folder, world.keys.log_verifier.public)
    check_metadata_is_logged(world.folder, leaves)
    assert leaves[: len(before)] == [row[1:] for row in before]
    assert len(leaves) > len(before)


def test_lost_database(world):
    """Without its database nothing is published; after `rebuild` the same log continues."""
    before, files = rows(world), public(world)
    lose(world)
    bundle = world.submit({("tables", 2): world.ceremony.role("tables", 2)})
    world.run(Publisher.process_incoming)
    assert "run `hening-server rebuild`" in world.alarms[0]
    with pytest.raises(StorageError, match="the log has 9 leaves and the database 0"):
        world.run(lambda publisher: publisher.change_pointers(lambda _published: {}))
    assert public(world) == files
    assert world.rebuild() == Rebuilt(9, 1, 2, ())
    assert rows(world) == before
    world.run(Publisher.process_incoming)
    assert world.result(bundle).status == "published"
    check_log_continues(world, before[0])


def test_older_database(world, tmp_path):
    """A database from a backup is completed by `rebuild`, and no leaf is appended twice."""
    shutil.copyfile(world.folder.sqlite, tmp_path / "backup")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    before, files = rows(world), public(world)
    lose(world)
    shutil.copyfile(tmp_path / "backup", world.folder.sqlite)
    with pytest.raises(StorageError, match="the log has 11 leaves and the database 9"):
        world.run(lambda publisher: publisher.change_pointers(lambda _published: {}))
    assert public(world) == files
    assert world.rebuild() == Rebuilt(2, 1, 1, ())
    assert rows(world) == before
    assert world.rebuild() == Rebuilt(0, 0, 0, ())
    assert world.publish({("tables", 2): world.ceremony.role("tables", 2)}).reason == ""
    leaves = check_log(world.folder, world.keys.log_verifier.public)
    assert leaves[:11] == [row[1:] for row in before[0]]
    assert leaves[11:] == [("tables", 2, leaves[11][2])]


def test_rows_beyond_the_signed_log_stay_burned(world):
    """`rebuild` keeps rows beyond the signed log, so their versions stay burned."""
    index = len(rows(world)[0])
    row = {"index": index, "role": "armani", "version": 3, "sha256": "0" * 64, "appended_at": 1}
    change(world, LogEntry.__table__.insert().values(**row), delete(Blob))
    assert world.rebuild() == Rebuilt(0, 1, 0, ())
    assert (
        "armani 3 is in the log with other bytes"
        in world.publish(world.second_release(), [PACKAGE_2]).reason
    )


def test_damaged_log_is_refused(world):
    """`rebuild` refuses a log with any damaged entry or checkpoint."""
    lose(world)
    for name in ("tile/entries/000.p/9", "checkpoint"):
        path = world.folder.public / "log" / name
        data = path.read_bytes()
        other = data.replace(b"armani", b"xrmani").replace(b"\n9\n", b"\n7\n")
        for damaged in (data[:-1], data[:-1] + b"x", other):
            path.write_bytes(damaged)
            with case(name, damaged), pytest.raises(HeningError):
                world.rebuild()
            assert rows(world)[0] == []
        path.write_bytes(data)


def test_database_of_another_server(world):
    """`rebuild` refuses a database with other rows than the public log, and adds nothing."""
    change(
        world,
        update(LogEntry).where(LogEntry.index == 2).values(sha256="0" * 64),
        delete(LogEntry).where(LogEntry.index > 4),
    )
    before = rows(world)
    with pytest.raises(LogError, match="the database holds another log than public/log"):
        world.rebuild()
    assert rows(world) == before


def test_damaged_blob_has_no_record(world):
    """A damaged blob gets no record, and `rebuild` reports its name."""
    lose(world)
    path = LocalBlobs(world.folder.blobs).path(BLOB_1)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert world.rebuild() == Rebuilt(9, 0, 2, (BLOB_1,))
    assert rows(world)[1] == []


async def test_log_of_several_tiles(fresh):
    """A log of several tiles is restored in order; an empty log restores nothing."""
    assert await asyncio.to_thread(fresh.rebuild) == Rebuilt(0, 0, 0, ())
    leaves = [("armani", n, hashlib.sha256(b"%d" % n).hexdigest()) for n in range(1, 265)]
    async with open_log(fresh.folder) as log:
        for part in (leaves[:200], leaves[200:]):
            await log.append(part, fresh.keys.log_keys, 1)
    await asyncio.to_thread(lose, fresh)
    assert await asyncio.to_thread(fresh.rebuild) == Rebuilt(264, 0, 0, ())
    found = (await asyncio.to_thread(rows, fresh))[0]
    assert [row[1:] for row in found] == leaves
