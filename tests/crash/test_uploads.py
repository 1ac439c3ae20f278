"""A server is killed with SIGKILL during an upload, at each piece and change of the disk."""

import asyncio
import shutil

import pytest

from tests.crash.sender import FIRST, PIECE, WHOLE, begin, resume


@pytest.fixture
def begun(fresh):
    """Return a server with an upload whose first part has arrived, and the upload's id."""
    return fresh, asyncio.run(begin(fresh.folder.root))


def check_resume(world, upload_id):
    """Check that the client can send the rest after a restart; return the offset that it reads."""
    offset = asyncio.run(resume(world.folder.root, upload_id))
    assert list(world.folder.uploads.rglob(".tmp-*")) == []
    return offset


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with a checksum"])
def test_killed_at_each_point(begun, checksum, crash, tmp_path):
    """Wherever the server dies, the client resumes from the offset, and one blob exists."""
    base, upload_id = begun
    offsets, names = [], []
    for point in range(1, 100):
        world = base.copy(tmp_path / "killed")
        ended = crash(world, "upload", upload=upload_id, checksum=checksum, change=point)
        names.append(ended["points"][-1].partition(" ")[0])
        offsets.append(check_resume(world, upload_id))
        shutil.rmtree(world.folder.root)
        if ended["status"] == 0:
            break
        assert ended["status"] == -9
    assert offsets == sorted(offsets)
    assert (offsets[0], offsets[-1]) == (FIRST, len(WHOLE))
    assert {"piece", "os.link", "os.rename", "os.remove"} <= set(names)
    # A batch is two pieces. No byte of a part with a checksum counts before it is verified.
    kept = {FIRST, FIRST + 2 * PIECE, FIRST + 4 * PIECE, len(WHOLE)}
    assert set(offsets) == ({FIRST, len(WHOLE)} if checksum else kept)


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with a checksum"])
def test_disk_full(begun, checksum, crash):
    """The kernel refuses a write: the client gets an error, and resumes when there is space."""
    world, upload_id = begun
    room = FIRST + 3 * PIECE
    ended = crash(world, "upload", upload=upload_id, checksum=checksum, file_size=room)
    assert ended["status"] == 0
    assert check_resume(world, upload_id) == (FIRST if checksum else room)
