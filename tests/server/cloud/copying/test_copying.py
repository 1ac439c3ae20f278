"""Backups of a running cloud, restores of them, and checks of both."""

import asyncio
import hashlib
import os
import shutil
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from server.cloud.copying.backup import BackupFolder, back_up, restore
from server.cloud.copying.check import check_cloud
from server.cloud.copying.contents import DamagedError
from server.cloud.law.journal import load_records
from server.cloud.settings import DAY, CloudFolder, CloudSettings
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.bodies import LocalBodies, one_piece
from server.cloud.storage.lease import BACKUP, take_lease
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.layout import PostgresAddress
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import NOW, change, make_item, running
from tests.server.cloud.law.conftest import go_round, open_law
from tests.server.cloud.policies import DAYS

BIG = 20_000
SETTINGS = CloudSettings(region="id")


@pytest.fixture
def bodies(cloud):
    """Return the body store of a running cloud."""
    return LocalBodies(cloud.folder / "bodies", os.urandom)


@pytest.fixture
def backup(tmp_path):
    """Return the folder of a backup that does not exist yet."""
    return BackupFolder(tmp_path / "backup", os.urandom)


@pytest.fixture
async def owner(cloud):
    """Return a device with a collection of large and small items, and a vault with a pack."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    large, small = make_item(os.urandom(BIG)), make_item(b"small")
    await device.batch(collection, large, small)
    await device.batch(collection, change(small))
    device.collection, device.pack = collection, os.urandom(BIG)
    device.vault = await device.program()
    assert (await device.vault.ask("POST", "photos/?create=true"))[0] == 200
    device.object = f"photos/data/{hashlib.sha256(device.pack).hexdigest()}"
    for path, body in ((device.object, device.pack), ("photos/config", b"config")):
        assert (await device.vault.ask("POST", path, body))[0] == 200
    return device


async def make_backup(database, bodies, backup, now=NOW):
    """Make a backup; returns its counts."""
    return await back_up("id", database, bodies, backup, now)


async def restore_into(
    backup, folder, settings, bodies, *, now=NOW, former=None, keep_sessions=False
):
    """Restore a backup; returns its counts."""
    return await restore(
        backup,
        folder,
        settings,
        bodies,
        os.urandom,
        now=now,
        former=former,
        keep_sessions=keep_sessions,
    )


@asynccontextmanager
async def restored(backup, folder, settings=SETTINGS, *, former=None, keep_sessions=False):
    """Restore a backup into a folder, and run the restored cloud."""
    target = CloudFolder(folder)
    there = LocalBodies(target.bodies, os.urandom)
    done = await restore_into(
        backup, target, settings, there, former=former, keep_sessions=keep_sessions
    )
    assert (done.report.sentences, done.report.spare) == ([], 0)
    async with running(target.database(settings), folder) as cloud:
        yield cloud


async def read_all(device):
    """Return uid and content of a device's items."""
    status, listed = await device.call("GET", f"collection/{device.collection}/item/")
    assert status == 200
    return sorted((item["uid"], item["content"]) for item in listed["data"])


def files(folder):
    """Return the contents of all files by path."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("place", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")], indirect=["place"]
)
@pytest.mark.needs("postgresql")
async def test_restore_into_the_other_kind_of_database(
    database, bodies, backup, owner, tmp_path, request, target
):
    """After a restore into the other kind of database, an owner finds all data and can write."""
    before = await read_all(owner)
    done = await make_backup(database, bodies, backup)
    assert done.bodies == 3
    settings = SETTINGS
    if target == "postgresql":
        address = request.getfixturevalue("postgres").make_database()
        settings = CloudSettings(region="id", database_url=address)
    async with restored(backup, tmp_path / "again", settings) as cloud:
        owner.url = cloud.url
        assert (await owner.ask("GET", "usage"))[0] == 401  # sessions have ended
        await owner.log_in()
        assert await read_all(owner) == before
        assert (await owner.batch(owner.collection, make_item(os.urandom(BIG))))[0] == 200
        assert (await owner.create())["uid"]
        place = settings.database_url and PostgresAddress(settings.database_url)
        async with open_database(
            place or tmp_path / "again" / "cloud.sqlite", migrations=MIGRATIONS
        ) as again:
            there = LocalBodies(tmp_path / "again" / "bodies", os.urandom)
            report = await check_cloud(again, there, read=True)
    assert (report.faults, report.sentences, report.bodies) == (0, [], 4)


async def test_repeated_backups(cloud, database, bodies, backup, owner, tmp_path):
    """A backup copies new bodies and drops removed ones; removals wait while a backup is made.

    If a body is damaged, the new backup is not completed, and the previous one can be restored.
    """
    await make_backup(database, bodies, backup)
    again = await make_backup(database, bodies, backup, NOW + 1)
    assert (again.bodies, again.removed) == (0, 0)
    lease = await take_lease(database, BACKUP)
    assert (await owner.vault.ask("DELETE", owner.object))[0] == 200
    assert len(files(cloud.folder / "bodies")) == 3  # the backup may have copied its row already
    with pytest.raises(StorageError, match="another backup is running"):
        await make_backup(database, bodies, backup)
    await lease.release(database)
    await owner.batch(owner.collection, make_item(os.urandom(BIG)))
    last = await make_backup(database, bodies, backup, NOW + 2)
    assert (last.bodies, last.removed) == (1, 1)
    assert len(files(backup.root)) == 3 + 2
    await owner.batch(owner.collection, make_item(os.urandom(BIG)))
    there = {each.name for each in [body async for page in bodies.pages() for body in page]}
    kept = {each.name async for page in backup.bodies.pages() for each in page}
    (new,) = (name for name in there - kept if name.startswith("chunks"))
    await bodies.put(new, one_piece(os.urandom(BIG)))
    with pytest.raises(DamagedError, match=new):
        await make_backup(database, bodies, backup, NOW + 3)
    assert (await asyncio.to_thread(backup.read)).made_at == NOW + 2
    async with restored(backup, tmp_path / "again") as again:
        owner.url = again.url
        await owner.log_in()
        assert len(await read_all(owner)) == 3


async def test_restore_that_keeps_sessions(database, bodies, backup, owner, tmp_path):
    """With `keep_sessions` sessions stay valid after a restore, but cursors become invalid."""
    _, listed = await owner.call("GET", f"collection/{owner.collection}/item/")
    await make_backup(database, bodies, backup)
    async with restored(backup, tmp_path / "again", keep_sessions=True) as cloud:
        owner.url = cloud.url
        assert len(await read_all(owner)) == 2
        path = f"collection/{owner.collection}/item/?stoken={listed['stoken']}"
        status, answer = await owner.call("GET", path)
        assert (status, answer["code"]) == (400, "bad_stoken")


@pytest.mark.parametrize(
    ("place", "has_former"),
    [("sqlite", True), pytest.param("postgresql", False, marks=pytest.mark.needs("postgresql"))],
    indirect=["place"],
)
async def test_restore_of_erased_accounts(
    cloud, database, bodies, backup, owner, tmp_path, has_former
):
    """An account erased after a backup stays erased in a restored cloud.

    The record of the erasure comes from the former store or from a later backup. Logins fail, and
    maintenance completes the erasure.
    """
    other = await cloud.device("budi")
    await make_backup(database, bodies, backup)
    old = BackupFolder(tmp_path / "old", os.urandom)
    await asyncio.to_thread(shutil.copytree, backup.root, old.root)
    _, erased = await owner.ask("POST", "erasure")
    assert erased["step"] == "done"
    await make_backup(database, bodies, backup, NOW + 1)
    former = bodies if has_former else backup.bodies
    again = tmp_path / "again"
    async with restored(old, again, former=former) as restarted:
        for device, status in ((owner, 401), (other, 200)):
            device.url = restarted.url
            assert (await device.log_in())[0] == status
        async with open_law(again / "cloud.sqlite", again, restarted.clock) as law:
            await go_round(law)
        async with cloud.http.get(f"{restarted.url}/erasure/{erased['id']}") as answer:
            assert (await answer.json())["step"] == "done"
        assert [path for path in files(again / "bodies") if "/erased/" not in path] == []
    # The record is kept for the next backup and its restore.
    there = LocalBodies(again / "bodies", os.urandom)
    assert [record.id for record in await load_records(there)] == [erased["id"]]


async def test_backup_expires_with_its_policy(database, bodies, backup, owner, tmp_path):
    """A backup is refused from the day on which receipts of erasure say that it is gone."""
    del owner
    await make_backup(database, bodies, backup)
    gone = (NOW // DAY + DAYS["backups"] + 1) * DAY
    folder = CloudFolder(tmp_path / "again")
    there = LocalBodies(folder.bodies, os.urandom)
    with pytest.raises(StorageError, match="keeps backups for 14 days"):
        await restore_into(backup, folder, SETTINGS, there, now=gone)
    assert not folder.settings.exists()
    assert (await restore_into(backup, folder, SETTINGS, there, now=gone - 1)).bodies == 3


async def test_damaged_backup_is_not_restored(database, bodies, backup, owner, tmp_path):
    """Damaged bodies or databases are refused; no cloud exists until an intact restore."""
    del owner
    await make_backup(database, bodies, backup)
    whole = tmp_path / "whole"
    shutil.copytree(backup.root, whole)
    for pattern in ("bodies/blobs/*/*", "bodies/chunks/*/*", "database-*.sqlite"):
        path = max(backup.root.glob(pattern), key=lambda each: each.stat().st_size)
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(StorageError):
            async with restored(backup, tmp_path / "again"):
                raise AssertionError
        assert not (tmp_path / "again" / "cloud.toml").exists()
        path.write_bytes(data)
    async with restored(BackupFolder(whole, os.urandom), tmp_path / "again"):
        pass


async def test_backup_and_restore_never_overwrite_a_cloud(database, bodies, backup, place, cloud):
    """A backup is not restored over a cloud or into another region.

    No backup is made over another region's backup, or over a cloud.
    """
    await make_backup(database, bodies, backup)
    other = CloudSettings(region="de")
    with pytest.raises(StorageError, match="region id, but this cloud is de"):
        await restore_into(backup, CloudFolder(cloud.folder), other, bodies)
    folder = CloudFolder(cloud.folder / "full")
    settings = SETTINGS
    if isinstance(place, PostgresAddress):
        settings = CloudSettings(region="id", database_url=place.url)
    else:
        folder.root.mkdir()
        folder.settings.write_text('region = "id"\n')
        shutil.copy(place, folder.database(settings))
        shutil.copy(f"{place}-wal", f"{folder.database(settings)}-wal")
    with pytest.raises(StorageError, match="is not empty"):
        await restore_into(backup, folder, settings, bodies)
    with pytest.raises(StorageError, match="backup of the region id"):
        await back_up("de", database, bodies, backup, NOW)
    (backup.root / "cloud.toml").touch()
    with pytest.raises(StorageError, match="is a cloud, not a backup"):
        await make_backup(database, bodies, backup)


@on_both
async def test_findings_of_a_check(database, bodies, owner):
    """The check finds missing, short, altered and spare bodies, missing chunks and wrong sums."""

    async def look(*, read=False):
        report = await check_cloud(database, bodies, read=read)
        return report.sentences, report.spare

    assert await look(read=True) == ([], 0)
    names = sorted([each.name async for page in bodies.pages() for each in page])
    whole = {
        name: b"".join([p async for p in bodies.get(name, 0, n)])
        for name, n in [(each.name, each.length) async for page in bodies.pages() for each in page]
    }
    pack, chunk = (
        next(n for n in names if n.startswith(kind) and len(whole[n]) == BIG)
        for kind in ("blobs", "chunks")
    )
    for name in (pack, chunk):
        await bodies.put(name, one_piece(whole[name][:-1]))
        (sentence,), _ = await look()
        assert "has 19999 bytes, not 20000" in sentence
        await bodies.put(name, one_piece(bytes(BIG)))
        assert await look() == ([], 0)
        (sentence,), _ = await look(read=True)
        assert "is damaged" in sentence
        await bodies.remove(name)
        (sentence,), _ = await look()
        assert sentence == f"the body {name} is missing; restore it from a backup."
        await bodies.put(name, one_piece(whole[name]))
    await bodies.put("blobs/1/spare", one_piece(b"spare"))
    assert await look(read=True) == ([], 1)
    async with database.begin() as db:
        await db.execute(text("UPDATE accounts SET used = used + 1"))
        await db.execute(text("DELETE FROM chunks WHERE body IS NOT NULL"))
    sentences, _ = await look()
    assert len(sentences) == 2
    assert "stores" in sentences[1]
    assert f"the collection {owner.collection} lacks the chunk" in sentences[0]
