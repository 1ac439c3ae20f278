"""The log in memory: an incremental read equals a complete one."""

import asyncio
import hashlib

import pytest

from server.core.errors import FormatError
from server.device.documents import LogFiles, load_log_files
from server.publisher.keys.online_keys import create_next_keys, load_online_keys
from server.storage.tree import (
    LocalTree,
    begin_proof_renewal,
    load_proof_renewals,
)
from tests.cases import case
from tests.server.world import open_log


async def append(world, *batches, after=lambda _size: None):
    """Append batches of versions, and call `after` after each."""
    async with open_log(world.folder) as log:
        size = 0
        for count in batches:
            numbers = range(size + 1, size + count + 1)
            size += count
            batch = [("armani", n, hashlib.sha256(b"%d" % n).hexdigest()) for n in numbers]
            await log.append(batch, world.keys.log_keys, 1)
            await asyncio.to_thread(after, size)


async def restate(world, keys):
    """Sign every proof again with these keys."""
    async with open_log(world.folder) as log:
        await log.restate(keys, ())


def load(world, version, previous):
    """Read the log while `version` of its only role is current."""
    checkpoint = (world.folder.public / "log/checkpoint").read_bytes()
    return load_log_files(world.folder.public, checkpoint, {"armani": version}, previous)


def test_incremental_reads_equal_a_complete_read(fresh):
    """Reading after every, every second or every third batch gives the same files."""
    seen, reads = dict.fromkeys((1, 2, 3), LogFiles()), 0

    def compare(size):
        nonlocal reads
        reads += 1
        whole = load(fresh, size, LogFiles())
        on_disk = {p for p in (fresh.folder.public / "log").rglob("*") if p.is_file()}
        assert len(whole.documents) == len(on_disk) - 1  # all but the checkpoint
        for every in seen:
            if reads % every == 0:
                seen[every] = load(fresh, size, seen[every])
                assert seen[every].documents == whole.documents, every

    asyncio.run(append(fresh, 1, 2, 250, 2, 1, 1, 30, 225, 1, after=compare))
    assert reads == 9


def test_proofs_of_unpublished_versions_are_not_served(fresh):
    """A proof is served once the version that it proves is public."""
    asyncio.run(append(fresh, 3))
    before = load(fresh, 2, LogFiles())
    assert "/log/proof/armani.3" not in before.documents
    after = load(fresh, 3, before)
    assert after.documents.keys() - before.documents.keys() == {"/log/proof/armani.3"}


def test_renewed_proofs_are_read_again(fresh):
    """During a renewal of proofs, and once after it, all proofs are read again."""
    asyncio.run(append(fresh, 2))
    public = fresh.folder.public
    before = load(fresh, 2, LogFiles())
    create_next_keys(fresh.folder.keys, ["log"])
    begin_proof_renewal(LocalTree(public))
    half = load(fresh, 2, before)
    assert half.documents == before.documents
    asyncio.run(restate(fresh, load_online_keys(fresh.folder.keys).log_keys))
    assert load_proof_renewals(public) == 2
    after = load(fresh, 2, half)
    for path in ("/log/proof/armani.1", "/log/proof/armani.2"):
        assert after.documents[path].identity.body == (public / path[1:]).read_bytes()
        assert after.documents[path] != half.documents[path]


def test_malformed_checkpoints_are_refused(fresh):
    """A malformed checkpoint is refused, so that the last valid state stays."""
    for checkpoint in (b"", b"log\n3", b"log\n03\n\n", b"log\n 3\n\n"):
        with case(checkpoint), pytest.raises(FormatError):
            load_log_files(fresh.folder.public, checkpoint, {}, LogFiles())
