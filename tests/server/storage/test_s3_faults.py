"""Errors of an S3 store are one sentence without secrets, and leave no incomplete blob."""

import asyncio
import contextlib
import dataclasses
import hashlib
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest

from server.core.errors import FormatError
from server.storage.errors import StorageError
from server.storage.s3_blobs import PART, S3Blobs
from server.storage.s3_client import S3Key
from tests.fault_proxy import Fault

pytestmark = pytest.mark.needs("seaweed")
ROOT = Path(__file__).parents[3]
SMALL = b"package" * 1000
LARGE = hashlib.shake_128(b"package").digest(2 * PART + 100_000)
INGEST = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from server.storage.s3_blobs import S3Blobs
from server.storage.s3_client import decode_place
from tests.seaweed import KEY_ID, SECRET
url, endpoint, source, sha256, length = sys.argv[1:]
place = decode_place(url, endpoint, "us-east-1", KEY_ID, SECRET)
S3Blobs(place, lambda: datetime.now(UTC)).ingest(Path(source), sha256, int(length))
"""


def now():
    """Return the current time."""
    return datetime.now(UTC)


@pytest.fixture
def place(seaweed):
    """Return an unused prefix in the bucket."""
    return seaweed.place(f"faults/{uuid.uuid4()}")


def impatient(place, proxy, *, retries=1, seconds=60):
    """Return a store that uses the proxy, with few retries and a short timeout."""
    behind = dataclasses.replace(place, endpoint=proxy.endpoint)
    return S3Blobs(behind, now, patience=timedelta(seconds=seconds), retries=retries)


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def source(request, tmp_path):
    """Return path, name and length of a file with a package."""
    path = tmp_path / "source"
    path.write_bytes(request.param)
    return path, hashlib.sha256(request.param).hexdigest(), len(request.param)


@contextlib.contextmanager
def one_sentence():
    """Expect a StorageError that is one sentence without secrets or the answer's text."""
    with pytest.raises(StorageError) as failed:
        yield failed
    text = str(failed.value)
    assert text.startswith("the S3 store ")
    assert (text.count("\n"), text[-1]) == (0, ".")
    assert len(text) < 160
    assert not any(word in text.lower() for word in ("secret-", "canary", "<error>", "http:"))


@pytest.mark.parametrize(
    ("fault", "limit", "seconds"),
    [
        (Fault.ERROR, 0, 60),
        (Fault.CLOSE, 0, 60),
        (Fault.SILENCE, 0, 1),
        (Fault.CUT_REQUEST, 2_000, 60),
        (Fault.CUT_ANSWER, 20, 60),
    ],
    ids=str,
)
def test_failed_upload(place, proxy, source, fault, limit, seconds):
    """A blob that could not be sent is not stored; later it is stored by a retry."""
    store, real = impatient(place, proxy, seconds=seconds), S3Blobs(place, now)
    proxy.fault, proxy.limit = fault, limit
    with one_sentence():
        store.ingest(*source)
    assert (real.length(source[1]), list(real.list())) == (None, [])
    proxy.fault = Fault.NONE
    impatient(place, proxy).ingest(*source)
    real.verify(*source[1:])


def test_single_failures_are_retried(place, proxy, source):
    """A request is retried, so that a single failure has no effect.

    A slow store is waited for up to the timeout.
    """
    path, sha256, length = source
    real = S3Blobs(place, now)
    for fault, times, retries in ((Fault.ERROR, 1, 3), (Fault.CLOSE, 1, 3), (Fault.SLOW, -1, 0)):
        store = impatient(place, proxy, retries=retries)
        proxy.times, proxy.fault = times, fault
        store.ingest(path, sha256, length)
        store.verify(sha256, length)
        assert store.length(sha256) == length
        proxy.fault = Fault.NONE
        real.verify(sha256, length)
        real.remove(sha256)


def test_lost_answer(place, proxy, source):
    """A request without an answer is reported as a failure and can be repeated."""
    store, real = impatient(place, proxy, seconds=1), S3Blobs(place, now)
    proxy.fault = Fault.LOSE_ANSWER
    with one_sentence():
        store.ingest(*source)
    assert proxy.is_held.is_set()
    assert real.length(source[1]) in {None, source[2]}
    proxy.fault = Fault.NONE
    impatient(place, proxy).ingest(*source)
    real.verify(*source[1:])
    assert [blob.sha256 for blob in real.list()] == [source[1]]


def test_interrupted_read(place, proxy, tmp_path):
    """A read that is cut off raises an error after the correct bytes."""
    path, sha256 = tmp_path / "source", hashlib.sha256(LARGE).hexdigest()
    path.write_bytes(LARGE)
    S3Blobs(place, now).ingest(path, sha256, len(LARGE))
    store, given = impatient(place, proxy), bytearray()
    proxy.fault, proxy.limit = Fault.CUT_ANSWER, 300_000

    async def read():
        async with store.open_range(sha256, 7, len(LARGE) - 7) as pieces:
            async for piece in pieces:
                given.extend(piece)

    with one_sentence():
        asyncio.run(read())
    assert given == LARGE[7 : 7 + len(given)]
    assert 0 < len(given) < len(LARGE) - 7
    with one_sentence():
        store.verify(sha256, len(LARGE))
    with one_sentence():
        store.copy(sha256, len(LARGE), tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def acts(store, source):
    """Yield a function for each kind of request to S3."""

    async def read():
        async with store.open_range(source[1], 0, 10):
            pass

    yield lambda: store.ingest(*source)
    yield lambda: store.length(source[1])
    yield lambda: store.lengths([source[1]])
    yield lambda: store.lengths([f"{n:064x}" for n in range(40)])
    yield lambda: list(store.list())
    yield lambda: store.remove(source[1])
    yield lambda: store.verify(*source[1:])
    yield lambda: asyncio.run(read())
    yield store.sweep


def test_wrong_key(place, source):
    """With a wrong key, the error names the settings and not the key."""
    known = S3Key(place.key.id, "canary-wrong-secret")
    for wrong in (known, S3Key("canary-unknown", "canary-secret")):
        for act in acts(S3Blobs(dataclasses.replace(place, key=wrong), now), source):
            with one_sentence() as failed:
                act()
            assert "check key, secret, the key's rights" in str(failed.value)


def test_unreachable_store(place, source):
    """Without a store, each request raises an error."""
    away = dataclasses.replace(place, endpoint="http://127.0.0.1:9")
    store = S3Blobs(away, now, patience=timedelta(seconds=1), retries=0)
    for act in acts(store, source):
        with one_sentence() as failed:
            act()
        assert "the S3 store does not " in str(failed.value)


def test_missing_bucket(place, source):
    """Listing a missing bucket is an error instead of an empty list.

    Garbage collection relies on the list.
    """
    store = S3Blobs(dataclasses.replace(place, bucket="another"), now)
    with one_sentence():
        list(store.list())
    assert store.length(source[1]) is None


def test_process_killed_during_an_upload(place, proxy, tmp_path):
    """After a kill during an upload nothing is visible, and the blob can be stored.

    Old parts are removed.
    """
    path, sha256 = tmp_path / "source", hashlib.sha256(LARGE).hexdigest()
    path.write_bytes(LARGE)
    proxy.fault, proxy.limit = Fault.HOLD_REQUEST, 3_000_000
    url = f"s3://{place.bucket}/{place.prefix}"
    with subprocess.Popen(
        [sys.executable, "-c", INGEST, url, proxy.endpoint, path, sha256, str(len(LARGE))], cwd=ROOT
    ) as process:
        assert proxy.is_held.wait(60)
        process.kill()
    real = S3Blobs(place, now)
    assert (real.length(sha256), list(real.list())) == (None, [])
    (begun,) = real._uploads.list()
    assert begun.key == f"{place.prefix}/{sha256[:2]}/{sha256}"
    real.sweep()  # it may be another's that is under way
    assert real._uploads.list() == [begun]
    real.ingest(path, sha256, len(LARGE))
    assert real._uploads.abort(timedelta()) == 1
    assert real._uploads.list() == []
    real.verify(sha256, len(LARGE))


def test_refused_upload_leaves_no_parts(place, tmp_path):
    """An upload with a wrong hash is aborted and leaves no parts."""
    path = tmp_path / "source"
    path.write_bytes(LARGE)
    store = S3Blobs(place, now)
    with pytest.raises(FormatError, match="does not hash"):
        store.ingest(path, "0" * 64, len(LARGE))
    assert store._uploads.list() == []


def test_sweep_keeps_uploads_under_another_prefix(seaweed, place):
    """Uploads under another prefix are not touched, even if it begins in the same way."""
    other = S3Blobs(seaweed.place(f"{place.prefix}x"), now)
    obstore.open_writer(other._store, "blob", buffer_size=PART).write(LARGE)
    assert S3Blobs(place, now)._uploads.abort(timedelta()) == 0
    assert [each.key for each in other._uploads.list()] == [f"{place.prefix}x/blob"]
