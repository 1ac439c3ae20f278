"""A server killed with SIGKILL during an upload, at each piece and change of the disk."""

import asyncio
import hashlib
import shutil

import pytest

from tests.crash.sender import FIRST, PIECE, ROOMY, WHOLE
from tests.server.release.uploads.harness import open_harness, principal

SHA256 = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture
def begun(fresh):
    """Give a server with an upload of which the first part has arrived, and the upload's id."""

    async def begin():
        async with open_harness(fresh.folder.root) as harness:
            harness.restart(ROOMY)
            upload_id = await harness.create(data=WHOLE)
            await harness.append(upload_id, 0, WHOLE[:FIRST])
            return upload_id

    return fresh, asyncio.run(begin())


def resume(world, upload_id):
    """Restart, read the offset as a client does, and let the client send the rest."""

    async def inside():
        async with open_harness(world.folder.root) as harness:
            harness.restart(ROOMY)
            await harness.uploads.tidy()
            await harness.uploads.recover()
            offset = await harness.offset(upload_id)
            assert (await harness.uploads.blob_length(SHA256) is not None) == (offset == len(WHOLE))
            harness.numbers = 5
            await harness.append(upload_id, offset, WHOLE[offset:])
            assert await harness.uploads.blob_length(SHA256) == len(WHOLE)
            assert harness.blob(SHA256) == WHOLE
            await harness.uploads.sweep()
            assert harness.files() == []
            assert await harness.audit_log() == ["upload.create", "upload.finish"]
            assert (await harness.uploads.get(principal(), upload_id)).is_whole
            return offset

    offset = asyncio.run(inside())
    assert list(world.folder.uploads.rglob(".tmp-*")) == []
    return offset


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with a checksum"])
def test_killed_at_each_point(begun, checksum, crash, tmp_path):
    """Wherever the server dies, the client resumes from the offset, and gets its one blob."""
    base, upload_id = begun
    offsets, names = [], []
    for point in range(1, 100):
        world = base.copy(tmp_path / "killed")
        ended = crash(world, "upload", upload=upload_id, checksum=checksum, change=point)
        names.append(ended["points"][-1].partition(" ")[0])
        offsets.append(resume(world, upload_id))
        shutil.rmtree(world.folder.root)
        if ended["status"] == 0:
            break
    assert offsets == sorted(offsets)
    assert (offsets[0], offsets[-1]) == (FIRST, len(WHOLE))
    assert {"piece", "os.link", "os.rename", "os.remove"} <= set(names)
    # A batch is two pieces. No byte of a part with a checksum counts before it is verified.
    kept = {FIRST, FIRST + 2 * PIECE, FIRST + 4 * PIECE, len(WHOLE)}
    assert set(offsets) == ({FIRST, len(WHOLE)} if checksum else kept)


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with a checksum"])
def test_a_disk_that_is_full(begun, checksum, crash):
    """The kernel refuses a write: the client gets an error, and resumes when there is space."""
    world, upload_id = begun
    room = FIRST + 3 * PIECE
    ended = crash(world, "upload", upload=upload_id, checksum=checksum, file_size=room)
    assert ended["status"] == 0
    assert resume(world, upload_id) == (FIRST if checksum else room)
