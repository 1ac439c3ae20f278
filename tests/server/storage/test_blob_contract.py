"""The contract of a blob store, tested with a folder and with a real S3 server."""

import asyncio
import hashlib
import os
import uuid
from datetime import UTC, datetime

import obstore
import pytest

from server.core.errors import FormatError
from server.storage.blobs import PIECE, StoredBlob
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import PART, WINDOW, S3Blobs
from tests.cases import case

SMALL = b"package" * 1000
LARGE = hashlib.shake_128(b"package").digest(2 * PART + 100_000)  # three parts, the last short
DATA = {"small": SMALL, "large": LARGE}
KINDS = ["local", pytest.param("s3", marks=pytest.mark.needs("seaweed"))]


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    """Return an empty store of each kind."""
    if request.param == "local":
        return LocalBlobs(tmp_path / "blobs")
    place = request.getfixturevalue("seaweed").place(f"contract/{uuid.uuid4()}")
    return S3Blobs(place, lambda: datetime.now(UTC))


@pytest.fixture(params=DATA)
def data(request):
    """Return data that fits into one part, and data of several parts."""
    return DATA[request.param]


def sha(data):
    """Return the name of a blob: its SHA-256."""
    return hashlib.sha256(data).hexdigest()


def ingest(store, data, folder):
    """Ingest data and return its name."""
    source = folder / "source"
    source.write_bytes(data)
    store.ingest(source, sha(data), len(data))
    return sha(data)


def read(store, name, first, length):
    """Return the pieces of a range as a list."""

    async def collect():
        async with store.open_range(name, first, length) as pieces:
            return [piece async for piece in pieces]

    return asyncio.run(collect())


def test_ingest(store, data, tmp_path):
    """A blob is stored under its hash with its length, and can be stored again."""
    name = sha(data)
    assert (store.length(name), store.lengths([name]), list(store.list())) == (None, {}, [])
    before = datetime.now(UTC).timestamp()
    for _ in range(2):
        assert ingest(store, data, tmp_path) == name
        assert store.length(name) == len(data)
        assert store.lengths([name, "0" * 64]) == {name: len(data)}
        store.verify(name, len(data))
        (stored,) = store.list()
        assert (stored.sha256, stored.length) == (name, len(data))
        assert before - 2 <= stored.time <= datetime.now(UTC).timestamp() + 2


def test_read(store, data, tmp_path):
    """A blob's bytes are returned; if it has another length than requested, an error follows."""
    name = ingest(store, data, tmp_path)
    assert b"".join(store.read(name, len(data))) == data
    for length in (len(data) - 1, len(data) + 1):
        with pytest.raises(FormatError, match=f"does not have {length} bytes"):
            list(store.read(name, length))


def test_read_ranges(store, tmp_path):
    """Any range is returned exactly, in pieces of limited size.

    A missing blob raises before the first piece, so that a server can still send an error.
    """
    name = ingest(store, LARGE, tmp_path)
    for first in (0, 1, PIECE, WINDOW - 1, WINDOW, 2 * WINDOW + 7):
        for length in (1, 1000, WINDOW + 3):
            wanted = LARGE[first : first + length]
            pieces = read(store, name, first, len(wanted))
            assert b"".join(pieces) == wanted
            assert max(map(len, pieces)) <= PIECE
    with pytest.raises((OSError, StorageError)):
        read(store, "0" * 64, 0, 10)


def test_range_after_the_end(store):
    """A range after the blob's end raises StorageError; in an empty blob each range does."""
    for data in (b"", SMALL):
        put(store, sha(data), data)
        for length in (1, WINDOW):
            with case(len(data), length), pytest.raises(StorageError, match="shorter than it was"):
                read(store, sha(data), len(data), length)


def test_ingest_of_other_bytes_is_refused(store, data, tmp_path):
    """A wrong hash or length is refused, and nothing is stored."""
    source, size = tmp_path / "source", len(data)
    source.write_bytes(data)
    for name, length, sentence in (
        ("0" * 64, size, "does not hash"),
        *((sha(data), each, f"does not have {each} bytes") for each in (size - 1, size + 1)),
    ):
        with pytest.raises(FormatError, match=sentence):
            store.ingest(source, name, length)
        assert (store.length(name), list(store.list())) == (None, [])


def test_invalid_names(store, tmp_path):
    """A name that is not a SHA-256 is refused."""
    (tmp_path / "source").write_bytes(SMALL)
    for name in (sha(SMALL).upper(), "../../keys/latest.pem", "", "a" * 63):
        for act in (
            lambda name=name: store.ingest(tmp_path / "source", name, len(SMALL)),
            lambda name=name: store.length(name),
            lambda name=name: store.remove(name),
            lambda name=name: read(store, name, 0, 1),
        ):
            with pytest.raises(FormatError, match="is not a sha256"):
                act()


def test_damaged_blobs(store, tmp_path):
    """A foreign object of another length is replaced when the blob is ingested.

    One of the same length is found by hashing.
    """
    name = sha(SMALL)
    put(store, name, SMALL[:10])
    ingest(store, SMALL, tmp_path)
    store.verify(name, len(SMALL))
    put(store, name, b"P" + SMALL[1:])
    with pytest.raises(FormatError, match="does not hash to its name"):
        store.verify(name, len(SMALL))
    with pytest.raises(FormatError, match="does not hash to its name"):
        list(store.read(name, len(SMALL)))
    with pytest.raises(FormatError, match="does not hash to its name"):
        store.copy(name, len(SMALL), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def put(store, name, data):
    """Store bytes under a name directly."""
    if isinstance(store, LocalBlobs):
        store.path(name).parent.mkdir(parents=True, exist_ok=True)
        store.path(name).write_bytes(data)
    else:
        obstore.put(store._store, f"{name[:2]}/{name}", data)


def test_copy(store, data, tmp_path):
    """A blob is copied to a file, whose folders are created; a missing blob is an error."""
    name = ingest(store, data, tmp_path)
    store.copy(name, len(data), tmp_path / "a" / "b" / "copy")
    assert (tmp_path / "a" / "b" / "copy").read_bytes() == data
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["copy"]
    with pytest.raises(FormatError):
        store.copy(name, len(data) - 1, tmp_path / "other")
    with pytest.raises((FormatError, FileNotFoundError)):
        store.copy("0" * 64, 10, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_remove(store, tmp_path):
    """A removed blob can be stored again; removing a missing one is no error."""
    name = ingest(store, SMALL, tmp_path)
    other = ingest(store, SMALL[1:], tmp_path)
    store.remove(name)
    store.remove(name)
    assert store.length(name) is None
    assert store.lengths([name, other]) == {other: len(SMALL) - 1}
    assert [blob.sha256 for blob in store.list()] == [other]
    ingest(store, SMALL, tmp_path)
    assert store.length(name) == len(SMALL)


def test_list_omits_foreign_objects(store, tmp_path):
    """Foreign objects are not listed.

    A folder reports its file system's free space, even before it exists; a bucket has no limit.
    """
    is_local = isinstance(store, LocalBlobs)
    if is_local:
        disk = os.statvfs(tmp_path)
        assert 0 < store.free() < disk.f_blocks * disk.f_frsize
    else:
        assert store.free() is None
    name = ingest(store, SMALL, tmp_path)
    if is_local:
        (store.path(name).parent / ".tmp-x").write_bytes(b"x")
        (store.path(name).parent / "README").write_bytes(b"x")
    else:
        obstore.put(store._store, "README", b"x")
        obstore.put(store._store, f"ff/{name}", b"x")
    store.sweep()
    assert [type(blob) for blob in store.list()] == [StoredBlob]


def test_lengths_of_many_blobs(store, tmp_path):
    """The lengths of forty blobs are known after one call; a missing blob is left out."""
    names = [ingest(store, b"%d" % number, tmp_path) for number in range(40)]
    fresh = S3Blobs.__new__(S3Blobs) if isinstance(store, S3Blobs) else store
    if isinstance(store, S3Blobs):
        fresh.__dict__ |= store.__dict__ | {"_known": {}}
    assert fresh.lengths([*names, "0" * 64]) == {name: len(str(n)) for n, name in enumerate(names)}
