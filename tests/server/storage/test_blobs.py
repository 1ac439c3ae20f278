"""Blobs match their names, or are not there."""

import hashlib
import os

import pytest

from server.core.errors import FormatError
from server.storage.local_blobs import LocalBlobs

DATA = b"package" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path):
    """Give an empty store."""
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def source(tmp_path):
    """Give a file that holds the package."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def files(store):
    """Return the names of everything that lies in the store."""
    return [path.name for path in store.path(SHA256).parents[1].rglob("*") if path.is_file()]


def test_ingest(store, source):
    """A blob is stored under its hash with its length; storing it again changes nothing."""
    assert store.length(SHA256) is None
    store.ingest(source, SHA256, len(DATA))
    assert store.length(SHA256) == len(DATA)
    store.verify(SHA256, len(DATA))
    inode = store.path(SHA256).stat().st_ino
    store.ingest(source, SHA256, len(DATA))
    assert store.path(SHA256).stat().st_ino == inode
    assert files(store) == [SHA256]


@pytest.mark.parametrize(
    ("sha256", "length", "sentence"),
    [
        ("0" * 64, len(DATA), "does not hash to its name"),
        (SHA256, len(DATA) - 1, f"does not have {len(DATA) - 1} bytes"),
        (SHA256, len(DATA) + 1, f"does not have {len(DATA) + 1} bytes"),
        (SHA256.upper(), len(DATA), "is not a sha256"),
        ("../../keys/latest.pem", len(DATA), "is not a sha256"),
    ],
)
def test_lies(store, source, sha256, length, sentence):
    """A wrong hash or length is refused, and nothing stays."""
    for take in (store.ingest, store.adopt):
        with pytest.raises(FormatError, match=sentence):
            take(source, sha256, length)
    assert files(store) == []


def test_adopt(store, source):
    """The file gets a second name and no copy; an existing blob stays, a truncated one does not."""
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


def test_adopt_while_the_same_blob_is_ingested(store, source):
    """Neither disturbs the other's temporary file: the blob is whole whichever is last."""
    store.path(SHA256).parent.mkdir(parents=True)
    under_way = store.path(SHA256).with_name(f".tmp-{SHA256}")
    under_way.write_bytes(DATA[:10])
    store.adopt(source, SHA256, len(DATA))
    assert under_way.read_bytes() == DATA[:10]
    store.verify(SHA256, len(DATA))


def test_a_wrong_length_is_found_before_the_copy(store, source):
    """A sparse file of any size, declared to be small, uses no disk space."""
    with source.open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(FormatError, match=f"does not have {len(DATA)} bytes"):
        store.ingest(source, SHA256, len(DATA))
    assert not store.path(SHA256).parent.exists()


def test_a_pipe(store, tmp_path):
    """A pipe is refused immediately instead of being waited for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file"):
        store.ingest(tmp_path / "pipe", SHA256, len(DATA))


def test_what_is_no_file(store, source, tmp_path):
    """A symbolic link, a folder and a missing file are refused."""
    link = tmp_path / "link"
    link.symlink_to(source)
    for path in (link, tmp_path, tmp_path / "not there"):
        with pytest.raises(FormatError, match="not a regular file"):
            store.ingest(path, SHA256, len(DATA))


def test_a_truncated_blob_is_replaced(store, source):
    """A blob truncated by a full disk is not treated as complete."""
    store.path(SHA256).parent.mkdir(parents=True)
    store.path(SHA256).write_bytes(DATA[:10])
    store.ingest(source, SHA256, len(DATA))
    store.verify(SHA256, len(DATA))


def test_verify_finds_a_flipped_bit(store, source):
    """A blob damaged on disk is found when it is hashed again."""
    store.ingest(source, SHA256, len(DATA))
    store.path(SHA256).write_bytes(b"P" + DATA[1:])
    with pytest.raises(FormatError, match="does not hash to its name"):
        store.verify(SHA256, len(DATA))
