"""A full disk gives one error message and leaves nothing; two processes may write one blob."""

import contextlib
import hashlib
import resource
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from server.publisher.publisher import Publisher
from server.storage.blobs import open_source, read_pieces, write_blob
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from tests.server.ceremony import release
from tests.server.world import FIRST, PACKAGE_1, SECOND

ROOT = Path(__file__).parents[3]
ROOM = 2 * 1024 * 1024
BIG = b"PK\x03\x04" + bytes(ROOM)
SHA256 = hashlib.sha256(BIG).hexdigest()
HOLD = """
import sys
from pathlib import Path
from server.storage.blobs import write_blob
def pieces():
    yield b"PK"
    print("begun", flush=True)
    sys.stdin.read()
    yield b""
write_blob(pieces(), "0" * 64, 4, Path(sys.argv[1]))
"""


@contextlib.contextmanager
def no_room():
    """Let no file grow beyond a limit, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_a_blob(tmp_path):
    """The message has the required size; neither the blob nor a part of it stays."""
    (tmp_path / "source").write_bytes(BIG)
    store = LocalBlobs(tmp_path / "blobs")
    with no_room(), pytest.raises(StorageError, match=f"no room for .* of {len(BIG)} bytes"):
        store.ingest(tmp_path / "source", SHA256, len(BIG))
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []
    store.ingest(tmp_path / "source", SHA256, len(BIG))
    store.verify(SHA256, len(BIG))


def test_a_bundle_waits_for_room(world):
    """It is postponed with an alarm, none of it is public, and with space it is published."""
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (BIG, release(2))}
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    bundle_id = world.submit(role, [BIG])
    with no_room():
        world.run(Publisher.process_incoming)
    (alarm,) = world.alarms
    assert f"there is no room for the blob {SHA256[:16]}" in alarm
    assert world.published().roles["armani"].version == 2
    assert LocalBlobs(world.folder.blobs).length(SHA256) is None
    world.ahead = timedelta(minutes=1)
    world.run(Publisher.process_incoming)
    assert world.result(bundle_id).status == "published"


def test_two_write_the_same_blob(tmp_path):
    """Each has its own file, and the blob is whole whichever is first or last."""
    target = tmp_path / "blobs" / SHA256
    source = tmp_path / "source"
    source.write_bytes(BIG)
    with open_source(source, SHA256, len(BIG)) as first:
        slow = read_pieces(first, len(BIG))

        def interleaved():
            yield next(slow)
            with open_source(source, SHA256, len(BIG)) as second:
                write_blob(read_pieces(second, len(BIG)), SHA256, len(BIG), target)
            assert target.read_bytes() == BIG
            yield from slow

        write_blob(interleaved(), SHA256, len(BIG), target)
    assert target.read_bytes() == BIG
    assert [path.name for path in target.parent.iterdir()] == [SHA256]


def test_a_sweep_spares_what_is_being_written(tmp_path):
    """The temporary file of a living process stays; after its kill it is removed."""
    folder = tmp_path / "blobs" / "00"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder / ("0" * 64)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout.readline() == b"begun\n"
        LocalBlobs(tmp_path / "blobs").sweep()
        assert len(list(folder.iterdir())) == 1
        writer.kill()
    assert len(list(folder.iterdir())) == 1
    LocalBlobs(tmp_path / "blobs").sweep()
    assert list(folder.iterdir()) == []
