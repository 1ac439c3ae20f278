"""The log after each step: an independent reader derives each tile, checkpoint and proof again."""

import asyncio
import hashlib

import pytest
from sqlalchemy import update

from server.core.errors import HeningError, LogError
from server.publisher.keys.online_keys import create_next_keys, load_online_keys
from server.publisher.log import Log
from server.storage.database import open_database
from server.storage.models import LogEntry
from tests.server.log_invariant import check_log
from tests.server.world import open_log

LINE = b"\n\xe2\x80\x94 "


def is_signed(path):
    """Return whether a file of the log is or contains a signed note."""
    return path.name == "checkpoint" or path.parent.name == "proof"


def leaves(first, last):
    """Return leaves of invented versions of armani."""
    return [
        ("armani", number, hashlib.sha256(b"%d" % number).hexdigest())
        for number in range(first, last + 1)
    ]


async def append(fresh, *batches):
    """Append batches of leaves in turn; return the newest version of armani."""
    async with open_log(fresh.folder) as log:
        for batch in batches:
            await log.append(batch, fresh.keys.log_keys, 1)
        return (await log.newest_versions(["armani", "dior"]))["armani"]


def files(fresh):
    """Return all files of the log with their bytes."""
    log = fresh.folder.public / "log"
    return {path: path.read_bytes() for path in log.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sizes", [[1] * 12, [7, 1, 3, 245, 1], [250, 20]])
def test_log_after_batches_of_any_size(fresh, sizes):
    """The log is valid after batches of any size, including those that cross a tile's end."""
    done = 0
    for size in sizes:
        batch = leaves(done + 1, done + size)
        done += size
        assert asyncio.run(append(fresh, batch)) == done
        assert len(check_log(fresh.folder, fresh.keys.log_verifier.public)) == done


async def test_burned_version_is_refused(fresh):
    """A version with other bytes than in the log is refused, and the error says what to do.

    A root's version cannot be skipped, so the appended root must be submitted.
    """
    (first, second), other = leaves(1, 2), ("armani", 1, "0" * 64)
    with pytest.raises(LogError, match="armani 1 is in the log with other bytes and is burned"):
        await append(fresh, [first], [second, other])
    assert len(check_log(fresh.folder, fresh.keys.log_verifier.public)) == 1
    with pytest.raises(LogError, match="sign armani 2 instead"):
        await append(fresh, [first, other])
    with pytest.raises(LogError, match="burned; submit the root that was appended"):
        await append(fresh, [("root", 2, "0" * 64)], [("root", 2, "1" * 64)])


async def test_append_again(fresh):
    """Appending the same leaves again changes nothing, and restores lost files."""
    await append(fresh, leaves(1, 2))
    before = files(fresh)
    await append(fresh, leaves(1, 2), leaves(2, 2))
    assert files(fresh) == before
    for path in before:
        path.unlink()
    await append(fresh, leaves(1, 2))
    assert files(fresh) == before


def restate(fresh, keys, named=()):
    """Sign the log again with `keys`."""

    async def inside():
        async with open_log(fresh.folder) as log:
            await log.restate(keys, named)

    asyncio.run(inside())


def test_restate_with_several_keys(fresh):
    """Signing again keeps the log's content, with one signature line for each key."""
    asyncio.run(append(fresh, leaves(1, 1), leaves(2, 3)))
    before = files(fresh)
    create_next_keys(fresh.folder.keys, ["log"])
    first, second = load_online_keys(fresh.folder.keys).log_keys
    for signing in ([first, second], [second], [second, first]):
        for _ in range(2):
            restate(fresh, signing)
        for key in signing:
            assert len(check_log(fresh.folder, key.verifier.public)) == 3
        assert {data.count(LINE) for path, data in files(fresh).items() if is_signed(path)} == {
            len(signing)
        }
    restate(fresh, [first], [second.verifier])
    assert files(fresh) == before


@pytest.mark.parametrize("name", ["checkpoint", "proof/armani.1"])
def test_restate_refuses_unsigned_notes(fresh, name):
    """A note that was changed on disk, or signed by an unknown key, is not signed again."""
    asyncio.run(append(fresh, leaves(1, 1)))
    path = fresh.folder.public / "log" / name
    data = path.read_bytes()
    path.write_bytes(data.replace(b"log\n1\n", b"log\n7\n"))
    with pytest.raises(LogError, match="is invalid"):
        restate(fresh, fresh.keys.log_keys)
    path.write_bytes(data)
    create_next_keys(fresh.folder.keys, ["log"])
    with pytest.raises(LogError, match="is not signed by"):
        restate(fresh, load_online_keys(fresh.folder.keys).log_keys[1:])


async def test_appended_versions(fresh):
    """The appended versions of the requested roles are returned, published or not."""
    await append(fresh, [*leaves(1, 2), ("dior", 5, "0" * 64)])
    async with open_log(fresh.folder) as log:
        assert await log.versions({"armani", "cancro"}) == {"armani": {1, 2}}


async def test_checkpoint_with_an_invalid_signature(fresh):
    """Nothing is appended to a log whose checkpoint has an invalid signature."""
    await append(fresh, leaves(1, 1))
    head = fresh.folder.public / "log" / "checkpoint"
    head.write_bytes(head.read_bytes().replace(b"\n1\n", b"\n0\n"))
    with pytest.raises(LogError, match="is invalid"):
        await append(fresh, leaves(2, 2))


async def append_after(world, batch, change=None):
    """Append a batch after applying `change` to the database."""
    if change is not None:
        async with open_database(world.folder.database) as sessions, sessions.begin() as session:
            await session.execute(change)
    await append(world, batch)


PATH = ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"]  # for the 301st leaf


@pytest.fixture(scope="module")
def grown_state(fresh_state, tmp_path_factory):
    """Return a server whose log has 300 leaves. Tests must copy it, not change it."""
    world = fresh_state.copy(tmp_path_factory.mktemp("grown") / "state")
    asyncio.run(append_after(world, leaves(1, 300)))
    return world


@pytest.fixture
def grown(grown_state, tmp_path):
    """Return a test's own copy of the server with 300 leaves."""
    return grown_state.copy(tmp_path / "state")


def test_append_reads_few_tiles(grown, monkeypatch):
    """An append to 300 leaves reads only the tiles on the new leaf's path."""
    read = []
    real = Log._read_tile

    def reader(self, path):
        read.append(path)
        return real(self, path)

    monkeypatch.setattr(Log, "_read_tile", reader)
    asyncio.run(append_after(grown, leaves(301, 301)))
    assert sorted(set(read)) == PATH
    assert len(check_log(grown.folder, grown.keys.log_verifier.public)) == 301


@pytest.mark.parametrize("path", PATH)
def test_lost_tile_is_restored(grown, path):
    """A lost tile on the new leaf's path is restored from the database."""
    tile = grown.folder.public / "log" / path
    before = tile.read_bytes()
    tile.unlink()
    asyncio.run(append(grown, leaves(301, 302)))
    assert tile.read_bytes() == before
    assert len(check_log(grown.folder, grown.keys.log_verifier.public)) == 302


def test_changed_tile_is_refused(grown):
    """With a changed tile nothing is appended, and the checkpoint stays."""
    tile = grown.folder.public / "log/tile/0/001.p/44"
    tile.write_bytes(tile.read_bytes()[::-1])
    head = (grown.folder.public / "log/checkpoint").read_bytes()
    with pytest.raises(HeningError, match="with other bytes"):
        asyncio.run(append_after(grown, leaves(301, 301)))
    assert (grown.folder.public / "log/checkpoint").read_bytes() == head


@pytest.mark.parametrize("index", [0, 299])
def test_rows_of_another_history_are_refused(grown, index):
    """Nothing is appended to rows that do not lead to the signed root.

    Rows of the last entry tile are always checked, older ones when they are read.
    """
    change = update(LogEntry).where(LogEntry.index == index).values(sha256="0" * 64)
    if index == 0:
        (grown.folder.public / "log/tile/0/001.p/44").unlink()
    with pytest.raises(LogError, match="do not lead to the signed root"):
        asyncio.run(append_after(grown, leaves(301, 301), change))
