"""Backups made while a server runs, and servers that continue from them."""

import asyncio
import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from server.app import running
from server.core.metadata import decode_timestamp
from server.publisher.lease import Lease
from server.publisher.maintenance import backup
from server.publisher.maintenance.backup import Copied, FileCopies, back_up
from server.publisher.maintenance.rebuild import Rebuilt
from server.publisher.publisher import Publisher
from server.settings import Settings
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from tests.server.cli.conftest import run as run  # noqa: PLC0414 - a fixture
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.publisher.maintenance.test_rebuild import rows
from tests.server.test_app import until
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND, halt, refresh_from_disk

TABLES = ("tables", 2)


async def copy(world, out):
    """Make a backup."""
    async with open_database(world.folder.database) as sessions:
        return await back_up(world.folder, sessions, LocalBlobs(world.folder.blobs), out)


def restore(world, out, root, database_url=""):
    """Return a world on a copy of the backup, with the original's keys."""
    shutil.copytree(out, root)
    shutil.copytree(world.folder.keys, root / "keys")
    return world.on(StateFolder(root, database_url))


def check_log_continues(world, before):
    """Publish another role, and check that the log continues from the entries `before`."""
    assert world.publish({TABLES: world.ceremony.role(*TABLES)}).reason == ""
    leaves = check_log(world.folder, world.keys.log_verifier.public)
    check_metadata_is_logged(world.folder, leaves)
    assert leaves[: len(before)] == before
    assert world.run(Publisher.repair) is None


async def test_backup_of_a_running_server(world, tmp_path):
    """A backup of a running server contains everything published before it.

    A server continues from it.
    """
    out = tmp_path / "backup"
    async with running(world.folder, Settings(port=0), world.now, entropy=os.urandom):
        bundle = await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])

        async def is_done():
            return not await asyncio.to_thread((world.folder.incoming / bundle).exists)

        await until(is_done)
        done = await copy(world, out)
        assert (done.blobs, done.database) == (2, True)
        again = await copy(world, out)
        assert again == Copied(0, 0, database=True)
    before = await asyncio.to_thread(check_log, world.folder, world.keys.log_verifier.public)
    assert not await asyncio.to_thread(StateFolder(out).incomplete.exists)
    copied = await asyncio.to_thread(restore, world, out, tmp_path / "restored")
    _, found = await asyncio.to_thread(refresh_from_disk, copied.folder, [FIRST, SECOND])
    assert found == {FIRST: PACKAGE_1, SECOND: PACKAGE_2}
    await asyncio.to_thread(check_log_continues, copied, before)


def test_second_backup_copies_only_new_files(world, tmp_path):
    """A second backup into the same folder copies only what is new."""
    out = tmp_path / "backup"
    first = asyncio.run(copy(world, out))
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    second = asyncio.run(copy(world, out))
    assert second.blobs == 1
    with closing(sqlite3.connect(out / "hening.sqlite")) as copied:
        assert copied.execute("SELECT expires_at FROM leases").fetchall() == [(0,)]
    assert 0 < second.files < first.files
    before = check_log(world.folder, world.keys.log_verifier.public)
    check_log_continues(restore(world, out, tmp_path / "restored"), before)


@pytest.mark.needs("postgresql")
def test_postgresql(fresh, postgres, tmp_path):
    """With PostgreSQL, the dump is made first; `rebuild` adds what was published after it."""
    world = fresh.on(StateFolder(fresh.folder.root, postgres.make_database()))
    assert world.publish(world.first_roles()).reason == ""
    dump = postgres.dump(world.folder.database_url)
    assert world.publish(world.first_release(), [PACKAGE_1]).reason == ""
    done = asyncio.run(copy(world, tmp_path / "backup"))
    assert (done.blobs, done.database) == (1, False)
    before, known = check_log(world.folder, world.keys.log_verifier.public), rows(world)
    copied = restore(world, tmp_path / "backup", tmp_path / "restored", postgres.restore(dump))
    assert not copied.folder.sqlite.exists()
    with pytest.raises(StorageError, match="run `hening-server rebuild`"):
        copied.run(lambda publisher: publisher.change_pointers(copied.offer(1)))
    assert copied.rebuild() == Rebuilt(1, 1, 1, ())
    assert rows(copied) == known
    check_log_continues(copied, before)


def test_interrupted_backup(run, world, tmp_path, monkeypatch):
    """An interrupted backup is marked as incomplete, and every command refuses it.

    The next run completes it.
    """
    out = tmp_path / "backup"

    def fail(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copy_blobs", fail)
        with pytest.raises(OSError, match="No space left"):
            asyncio.run(copy(world, out))
    assert StateFolder(out).incomplete.exists()
    for command in ("check", "run", "backup", "rebuild"):
        more = ["--out", tmp_path / "other"] if command == "backup" else []
        status, _, err = run(command, "--state", out, *more)
        assert (status, "is an incomplete backup" in err) == (3, True)
    assert asyncio.run(copy(world, out)) == Copied(0, 1, database=True)
    assert not StateFolder(out).incomplete.exists()


async def test_lease_is_held_during_the_copy_of_the_database(world, tmp_path, monkeypatch):
    """The lease is held while the database is copied, so that nothing is published."""
    real = backup._copy_sqlite
    busy = []

    def watch(source, temporary):
        folder = world.folder

        async def try_to_publish():
            async with open_database(folder.database) as sessions:
                with pytest.raises(StorageError, match="another process is publishing"):
                    await Lease(sessions, folder.lock, wait=0.1).held().__aenter__()

        asyncio.run(try_to_publish())
        busy.append(True)
        return real(source, temporary)

    monkeypatch.setattr(backup, "_copy_sqlite", watch)
    await copy(world, tmp_path / "backup")
    assert busy == [True]


async def test_halt_while_files_are_copied(world, tmp_path, monkeypatch):
    """A halt is published while files are copied, and the backup contains it."""
    begun, go, real = threading.Event(), threading.Event(), shutil.copyfile

    def take_long(source, target, **options):
        begun.set()
        assert go.wait(60)
        return real(source, target, **options)

    monkeypatch.setattr(backup.shutil, "copyfile", take_long)
    path = CHANNEL.pointer_path

    try:
        copying = asyncio.create_task(copy(world, tmp_path / "backup"))
        assert await asyncio.to_thread(begun.wait, 60)
        async with world.publisher() as publisher:
            await publisher.change_pointers(halt())
        assert not copying.done()
    finally:
        go.set()
    await copying
    copied = await asyncio.to_thread(restore, world, tmp_path / "backup", tmp_path / "restored")
    assert (await asyncio.to_thread(copied.published)).pointers()[path].halted
    before = await asyncio.to_thread(check_log, world.folder, world.keys.log_verifier.public)
    await asyncio.to_thread(check_log_continues, copied, before)


def accept_only(world):
    """Stop the publication of a release after it was accepted and before it is public."""
    world.submit(world.second_release(), [PACKAGE_2])
    world.stop_after(3, Publisher.process_incoming)
    assert world.folder.staging.exists()


def timestamp(folder):
    """Return the version of the public timestamp."""
    data = (folder.public / "metadata" / "timestamp.json").read_bytes()
    return decode_timestamp(data).signed.version


def test_accepted_publication_is_completed_after_a_restore(world, tmp_path):
    """A staged publication is part of the backup, and is completed after a restore."""
    accept_only(world)
    asyncio.run(copy(world, tmp_path / "backup"))
    copied = restore(world, tmp_path / "backup", tmp_path / "restored")
    assert copied.run(Publisher.repair) == copied.published().snapshot.version
    assert timestamp(copied.folder) == timestamp(world.folder) + 1


@pytest.mark.parametrize("earlier", [False, True], ids=["meanwhile", "in an earlier copy"])
def test_completed_publication_does_not_reappear(world, tmp_path, monkeypatch, earlier):
    """A publication that was completed during or since a backup does not reappear."""
    out, real = tmp_path / "backup", FileCopies.copy_ahead
    accept_only(world)

    def publish():
        world.run(Publisher.repair)
        world.run(Publisher.process_incoming)
        world.run(lambda publisher: publisher.change_pointers(world.offer(2, 500)))

    def copy_ahead(files):
        real(files)
        publish()

    if earlier:
        asyncio.run(copy(world, out))
        assert StateFolder(out).staging.exists()
        publish()
    else:
        monkeypatch.setattr(FileCopies, "copy_ahead", copy_ahead)
    asyncio.run(copy(world, out))
    assert not StateFolder(out).staging.exists()
    before = check_log(world.folder, world.keys.log_verifier.public)
    copied = restore(world, out, tmp_path / "restored")
    assert copied.run(Publisher.repair) is None
    assert timestamp(copied.folder) == timestamp(world.folder)
    check_log_continues(copied, before)


def test_second_backup_removes_old_files(world, tmp_path):
    """A second backup removes files that the server no longer has."""
    out = tmp_path / "backup"
    world.folder.settings.write_text("")
    asyncio.run(copy(world, out))
    gone = [world.folder.settings, next(world.folder.results.iterdir())]
    copies = [out / path.relative_to(world.folder.root) for path in gone]
    assert all(path.exists() for path in copies)
    for path in gone:
        path.unlink()
    asyncio.run(copy(world, out))
    assert not any(path.exists() for path in copies)


def test_backup_command(run, world, tmp_path):
    """The command reports the number of copied files; with its keys, the backup passes `check`."""
    out = tmp_path / "backup"
    status, text, err = run("backup", "--state", world.folder.root, "--out", out, "--json")
    assert (status, err) == (0, "")
    places = (world.folder.public, world.folder.results, world.folder.trusted_root.parent)
    files = sum(path.is_file() for place in places for path in place.rglob("*"))
    assert json.loads(text) == {"files": files, "blobs": 1, "database": True}
    status, text, _ = run("backup", "--state", world.folder.root, "--out", out)
    assert (status, text) == (0, f"0 new files and 0 new blobs are in {out}.\n")
    assert not (out / "keys").exists()
    shutil.copytree(world.folder.keys, out / "keys")
    assert run("check", "--state", out, "--deep")[0] == 0
