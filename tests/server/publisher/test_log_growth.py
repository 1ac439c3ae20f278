"""The log grows from its tiles, and from its rows if tiles are lost or wrong."""

import asyncio
import hashlib

import pytest
from sqlalchemy import delete, update

from server.core.errors import HeningError, LogError
from server.publisher.log import Log
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.models import LogEntry
from tests.server.log_invariant import check_log
from tests.server.world import open_log


def leaves(first, last):
    """Return leaves of invented role versions."""
    return [
        ("armani", number, hashlib.sha256(b"%d" % number).hexdigest())
        for number in range(first, last + 1)
    ]


async def append(world, batch, change=None):
    """Append a batch after applying `change` to the database."""
    async with open_database(world.folder.database) as sessions:
        if change is not None:
            async with sessions.begin() as session:
                await session.execute(change)
    async with open_log(world.folder) as log:
        await log.append(batch, world.keys.log_keys, 1)


@pytest.fixture(scope="module")
def grown_state(fresh_state, tmp_path_factory):
    """Give a server whose log has 300 leaves; do not change it, copy it."""
    world = fresh_state.copy(tmp_path_factory.mktemp("grown") / "state")
    asyncio.run(append(world, leaves(1, 300)))
    return world


@pytest.fixture
def grown(grown_state, tmp_path):
    """Give a private copy of it."""
    return grown_state.copy(tmp_path / "state")


def test_an_append_reads_few_tiles(grown, monkeypatch):
    """Of 300 leaves: the tiles on the path to the root and the last entries, nothing else."""
    read = []
    real = Log._read_tile

    def reader(self, path):
        read.append(path)
        return real(self, path)

    monkeypatch.setattr(Log, "_read_tile", reader)
    asyncio.run(append(grown, leaves(301, 301)))
    assert sorted(set(read)) == ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"]
    assert len(check_log(grown.folder, grown.keys.log_verifier.public)) == 301


@pytest.mark.parametrize("path", ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"])
def test_a_lost_tile_is_written_again(grown, path):
    """The tiles on the new leaf's path follow from the rows, like all others."""
    tile = grown.folder.public / "log" / path
    before = tile.read_bytes()
    tile.unlink()
    asyncio.run(append(grown, leaves(301, 302)))
    assert tile.read_bytes() == before
    assert len(check_log(grown.folder, grown.keys.log_verifier.public)) == 302


def test_a_changed_tile_is_never_built_upon(grown):
    """It does not lead to the signed root; the rows determine it, and it is not replaced."""
    tile = grown.folder.public / "log/tile/0/001.p/44"
    tile.write_bytes(tile.read_bytes()[::-1])
    head = (grown.folder.public / "log/checkpoint").read_bytes()
    with pytest.raises(HeningError, match="with other bytes"):
        asyncio.run(append(grown, leaves(301, 301)))
    assert (grown.folder.public / "log/checkpoint").read_bytes() == head


@pytest.mark.parametrize("index", [0, 299])
def test_rows_of_another_history_are_not_appended_to(grown, index):
    """Detected immediately among those of the last entry tile; older ones when rows are needed."""
    change = update(LogEntry).where(LogEntry.index == index).values(sha256="0" * 64)
    if index == 0:
        (grown.folder.public / "log/tile/0/001.p/44").unlink()
    with pytest.raises(LogError, match="do not lead to the signed root"):
        asyncio.run(append(grown, leaves(301, 301), change))


def test_a_database_that_is_older_than_the_checkpoint(grown):
    """A log never shrinks: neither rows nor head are changed."""
    head = (grown.folder.public / "log/checkpoint").read_bytes()
    with pytest.raises(StorageError, match="the log has 300 leaves and the database 290"):
        asyncio.run(append(grown, leaves(301, 301), delete(LogEntry).where(LogEntry.index >= 290)))
    assert (grown.folder.public / "log/checkpoint").read_bytes() == head
