"""The log after every step: each tile, checkpoint and proof re-derived from disk by other code."""

import asyncio
import hashlib

import pytest

from server.core.errors import LogError
from server.publisher.log import Log
from server.storage.database import open_database
from tests.server.log_invariant import check_log


def leaf(number):
    """Return the leaf of a made-up role version."""
    return "armani", number, hashlib.sha256(b"%d" % number).hexdigest()


async def append(fresh, *batches):
    """Append batches of leaves one after the other."""
    async with open_database(fresh.folder.database) as sessions:
        log = Log(fresh.folder.public / "log", sessions)
        for batch in batches:
            await log.append(batch, fresh.keys.log_keys, 1)
        return await log.latest_version("armani")


def files(fresh):
    """Return all files of the log with their octets."""
    log = fresh.folder.public / "log"
    return {path: path.read_bytes() for path in log.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sizes", [[1] * 12, [7, 1, 3], [255, 1, 1], [256, 256], [300, 250]])
def test_every_step(fresh, sizes):
    """Whatever the sizes of the batches, across the border of a tile too."""
    done = 0
    for size in sizes:
        batch = [leaf(number) for number in range(done + 1, done + size + 1)]
        done += size
        assert asyncio.run(append(fresh, batch)) == done
        leaves = check_log(fresh.folder, fresh.keys.log_verifier.public)
        assert len(leaves) == done


async def test_again(fresh):
    """Appending the same once more writes nothing and gives equal octets."""
    await append(fresh, [leaf(1), leaf(2)])
    before = files(fresh)
    await append(fresh, [leaf(1), leaf(2)], [leaf(2)])
    assert files(fresh) == before


async def test_a_burned_version(fresh):
    """One version has one sha256, in one batch and across batches."""
    other = ("armani", 1, "0" * 64)
    with pytest.raises(LogError, match="armani 1 is in the log with other octets and is burned"):
        await append(fresh, [leaf(1)], [leaf(2), other])
    assert len(check_log(fresh.folder, fresh.keys.log_verifier.public)) == 1
    with pytest.raises(LogError, match="sign armani 2 instead"):
        await append(fresh, [leaf(1), other])


async def test_lost_files_come_back_equal(fresh):
    """Tiles and proofs follow from the rows: writing them again after a loss changes nothing."""
    await append(fresh, [leaf(1), leaf(2)])
    before = files(fresh)
    for path in before:
        path.unlink()
    await append(fresh, [leaf(1), leaf(2)])
    assert files(fresh) == before


async def test_a_checkpoint_of_another_key(fresh):
    """A log whose head does not verify is not appended to."""
    await append(fresh, [leaf(1)])
    head = fresh.folder.public / "log" / "checkpoint"
    head.write_bytes(head.read_bytes().replace(b"\n1\n", b"\n0\n"))
    with pytest.raises(LogError, match="does not hold"):
        await append(fresh, [leaf(2)])
