"""Stores of bodies: a folder and S3 behave alike."""

import asyncio
import errno
import os
import time
import uuid
from pathlib import Path

import pytest

from server.cloud.errors import CloudError
from server.cloud.storage.bodies import PIECE, WRITE, LocalBodies, one_piece
from server.cloud.storage.s3_bodies import IN_MEMORY, PART, S3Bodies
from server.core.errors import FormatError
from server.storage.bounded import TEMPORARY
from server.storage.room import NoRoomError

DAY = 24 * 60 * 60


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.needs("seaweed"))])
def bodies(request, tmp_path):
    """Return an empty store of either kind."""
    if request.param == "folder":
        return LocalBodies(tmp_path / "bodies", os.urandom)
    place = request.getfixturevalue("seaweed").place(f"cloud/{uuid.uuid4()}")
    return S3Bodies(place, tmp_path / "spool", time.time)


async def read(bodies, name, first, length):
    """Return a part of a body."""
    return b"".join([piece async for piece in bodies.get(name, first, length)])


async def names(bodies):
    """Return names and lengths of all bodies."""
    return {each.name: each.length async for page in bodies.pages() for each in page}


async def test_put_read_and_remove(bodies):
    """A body is read whole or in part and listed, until its removal; reads past its end fail."""
    for length in (0, 1, IN_MEMORY + 1, PART + 7):
        body = os.urandom(length)
        await bodies.put("blobs/1/a", one_piece(body))
        assert await names(bodies) == {"blobs/1/a": length}
        assert await read(bodies, "blobs/1/a", 0, length) == body
        middle = length // 2
        assert await read(bodies, "blobs/1/a", middle, length - middle) == body[middle:]
        assert [each.time > time.time() - DAY async for page in bodies.pages() for each in page]
        await bodies.remove("blobs/1/a")
        await bodies.remove("blobs/1/a")
        assert await names(bodies) == {}
    await bodies.put("blobs/1/a", one_piece(b"body"))
    for name, first, length in (("blobs/1/b", 0, 4), ("blobs/1/a", 0, 5), ("blobs/1/a", 2, 3)):
        with pytest.raises(FileNotFoundError):
            await read(bodies, name, first, length)


async def test_a_read_that_begins_after_the_end(bodies):
    """A read that begins after a body's end fails as for a short body, not as a store failure."""
    await bodies.put("blobs/1/empty", one_piece(b""))
    await bodies.put("blobs/1/a", one_piece(b"body"))
    for name, first in (("blobs/1/empty", 0), ("blobs/1/a", 4), ("blobs/1/a", 5)):
        with pytest.raises(FileNotFoundError):
            await read(bodies, name, first, 1)


async def test_body_of_many_pieces_is_stored_completely(tmp_path, monkeypatch):
    """All pieces are stored completely, even if the disk accepts only a part of each write."""
    writev, write = os.writev, os.write
    monkeypatch.setattr(os, "writev", lambda file, pieces: writev(file, [b"".join(pieces)[:999]]))
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[: 1 << 16]))
    sent = [os.urandom(length) for length in (*range(200), WRITE, 1, WRITE - 1, 2 * WRITE)]

    async def pieces():  # noqa: RUF029 - as bodies come
        for piece in sent:
            yield piece

    bodies = LocalBodies(tmp_path / "bodies", os.urandom)
    await bodies.put("blobs/1/a", pieces())
    body = b"".join(sent)
    assert await read(bodies, "blobs/1/a", 0, len(body)) == body


async def test_body_whose_sender_fails_is_not_stored(bodies):
    """A body whose sender fails is not stored, however much of it arrived."""

    async def pieces():  # noqa: RUF029 - as bodies come
        for _ in range(1 + PART // PIECE):
            yield bytes(PIECE)
        raise CloudError(400, "wrong_hash", "the body does not hash to its name.")

    with pytest.raises(CloudError, match="does not hash"):
        await bodies.put("blobs/1/a", pieces())
    assert await names(bodies) == {}
    assert await bodies.sweep(time.time() + DAY) == 0


async def test_a_name_stays_within_the_store(bodies):
    """Names that would leave the store's path are refused."""
    for name in ("a", "../a", "/etc/a", "a//b", "a/../b", "a/.tmp-b"):
        with pytest.raises(FormatError, match="not a body's name"):
            await bodies.put(name, one_piece(b"body"))


async def test_old_leftovers_are_removed(tmp_path):
    """Leftovers of a killed process are removed; complete bodies and running uploads stay."""
    bodies, arrived, more = LocalBodies(tmp_path, os.urandom), asyncio.Event(), asyncio.Event()

    async def pieces():
        yield bytes(PIECE)
        arrived.set()
        await more.wait()

    coming = asyncio.create_task(bodies.put("blobs/1/b", pieces()))
    await arrived.wait()
    old = tmp_path / "blobs" / "1" / ".tmp-old"
    old.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert await bodies.sweep(time.time() - DAY) == 1
    more.set()
    await coming
    assert await names(bodies) == {"blobs/1/b": PIECE}


@pytest.mark.parametrize("is_drawn", [False, True])
async def test_a_body_is_on_the_disk_when_put_returns(tmp_path, monkeypatch, is_drawn):
    """File and folder are flushed; the file first, unless its name is random."""
    flushed, path = [], tmp_path / "blobs" / "1"
    path.mkdir(parents=True)

    def flush(descriptor):
        flushed.append((Path(f"/proc/self/fd/{descriptor}").resolve() == path, listed()))

    def listed():
        return [file.name for file in path.iterdir() if not file.name.startswith(TEMPORARY)]

    monkeypatch.setattr(os, "fsync", flush)
    await LocalBodies(tmp_path, os.urandom).put("blobs/1/a", one_piece(b"x"), is_drawn=is_drawn)
    assert sorted(flushed) == [(False, ["a"] if is_drawn else []), (True, ["a"])]


@pytest.mark.parametrize("is_drawn", [False, True])
async def test_a_full_disk_takes_no_body(tmp_path, monkeypatch, is_drawn):
    """A body is refused below the reserved free space and on a full disk; no file is left."""
    with pytest.raises(NoRoomError, match="make room"):
        await LocalBodies(tmp_path, os.urandom, keep_free=1 << 60).put("a/b", one_piece(b"body"))

    def refuse(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    bodies = LocalBodies(tmp_path, os.urandom)
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        await bodies.put("a/b", one_piece(b"body"), is_drawn=is_drawn)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
