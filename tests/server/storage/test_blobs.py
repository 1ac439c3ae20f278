"""Blobs in a folder: wrong data, hard links, temporary files, and a full disk."""

import contextlib
import hashlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from server.core.errors import FormatError
from server.storage.blobs import open_source, read_pieces, write_blob
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs

DATA = b"package" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path):
    """Return an empty store."""
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def source(tmp_path):
    """Return a file with the package."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def files(store):
    """Return the names of all files in the store."""
    return [path.name for path in store.path(SHA256).parents[1].rglob("*") if path.is_file()]


def test_ingest_and_adopt_refuse_other_bytes(store, source):
    """A wrong hash, length or name is refused, and no file is left."""
    size = len(DATA)
    for sha256, length, sentence in (
        ("0" * 64, size, "does not hash to its name"),
        *((SHA256, each, f"does not have {each} bytes") for each in (size - 1, size + 1)),
        *((each, size, "is not a sha256") for each in (SHA256.upper(), "../../keys/latest.pem")),
    ):
        for take in (store.ingest, store.adopt):
            with pytest.raises(FormatError, match=sentence):
                take(source, sha256, length)
    assert files(store) == []


def test_adopt(store, source):
    """`adopt` makes a hard link instead of a copy; a truncated blob is replaced."""
    store.adopt(source, SHA256, len(DATA))
    store.verify(SHA256, len(DATA))
    assert store.path(SHA256).samefile(source)
    store.adopt(source, SHA256, len(DATA))
    assert files(store) == [SHA256]
    source.unlink()
    store.path(SHA256).write_bytes(DATA[:10])
    source.write_bytes(DATA)
    store.adopt(source, SHA256, len(DATA))
    store.verify(SHA256, len(DATA))
    assert files(store) == [SHA256]


def test_adopt_during_an_ingest(store, source):
    """A blob that is adopted while it is ingested is complete, and no other file is left."""

    def pieces():
        yield DATA
        store.adopt(source, SHA256, len(DATA))

    write_blob(pieces(), SHA256, len(DATA), store.path(SHA256))
    store.verify(SHA256, len(DATA))
    assert files(store) == [SHA256]


def test_wrong_length_is_refused_before_copying(store, source):
    """A file larger than declared is refused before it is copied."""
    with source.open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(FormatError, match=f"does not have {len(DATA)} bytes"):
        store.ingest(source, SHA256, len(DATA))
    assert not store.path(SHA256).parent.exists()


def test_source_that_is_not_a_regular_file(store, source, tmp_path):
    """A symbolic link, folder, pipe or missing file is refused without waiting."""
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(source)
    os.mkfifo(pipe)
    for path in (link, tmp_path, tmp_path / "not there", pipe):
        with pytest.raises(FormatError, match="not a regular file"):
            store.ingest(path, SHA256, len(DATA))


ROOT = Path(__file__).parents[3]
ROOM = 2 * 1024 * 1024
BIG = b"PK\x03\x04" + bytes(ROOM)
BIG_SHA256 = hashlib.sha256(BIG).hexdigest()
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
    """Limit the size of files inside the block, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk(tmp_path):
    """On a full disk the error has the required size, and no part of the blob is left."""
    (tmp_path / "source").write_bytes(BIG)
    store = LocalBlobs(tmp_path / "blobs")
    with no_room(), pytest.raises(StorageError, match=f"no room for .* of {len(BIG)} bytes"):
        store.ingest(tmp_path / "source", BIG_SHA256, len(BIG))
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []
    store.ingest(tmp_path / "source", BIG_SHA256, len(BIG))
    store.verify(BIG_SHA256, len(BIG))


def test_simultaneous_writers_of_a_blob(tmp_path):
    """Two simultaneous writers of a blob use different files, and the blob is complete."""
    target = tmp_path / "blobs" / BIG_SHA256
    source = tmp_path / "source"
    source.write_bytes(BIG)
    with open_source(source, BIG_SHA256, len(BIG)) as first:
        slow = read_pieces(first, len(BIG))

        def interleaved():
            yield next(slow)
            with open_source(source, BIG_SHA256, len(BIG)) as second:
                write_blob(read_pieces(second, len(BIG)), BIG_SHA256, len(BIG), target)
            assert target.read_bytes() == BIG
            yield from slow

        write_blob(interleaved(), BIG_SHA256, len(BIG), target)
    assert target.read_bytes() == BIG
    assert [path.name for path in target.parent.iterdir()] == [BIG_SHA256]


def test_sweep_keeps_files_of_running_processes(tmp_path):
    """A sweep keeps the temporary file of a living process and removes that of a dead one."""
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
