"""Packages in S3: the same answers as from disk, with few requests to the store."""

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from server.device.snapshot import EMPTY, load_snapshot
from server.http.turns import Limits
from server.publisher.publisher import Publisher
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import WINDOW, S3Blobs
from tests.fault_proxy import Fault
from tests.patience import until
from tests.server.ceremony import release
from tests.server.device.served import (
    URL,
    package_snapshot,
    read_response,
    request,
    serve,
    serve_snapshot,
)
from tests.server.device.test_wire import without_date
from tests.server.world import FIRST, PACKAGE_1, SECOND

pytestmark = pytest.mark.needs("seaweed")
# Three different windows, the last short: the repeated block has no whole number in a window.
LONG = b"PK\x03\x04" + hashlib.shake_128(b"package").digest(2_500_000) * 8
SHA256 = hashlib.sha256(LONG).hexdigest()
SIGNED_URL = f"/targets/armani/id/stable/{SHA256}.armani-2.zip"
END = len(LONG) - 1
BLOCK = b"Range: bytes=0-%d" % (WINDOW - 1)


def now():
    """Return the current time."""
    return datetime.now(UTC)


@pytest.fixture
def place(seaweed, proxy):
    """Return a place in S3 that is reached through the proxy."""
    return seaweed.place(f"packages/{uuid.uuid4()}", endpoint=proxy.endpoint)


@pytest.fixture
def blobs(place, proxy, tmp_path):
    """Return a store that has the package."""
    store = S3Blobs(place, now)
    (tmp_path / "source").write_bytes(LONG)
    store.ingest(tmp_path / "source", SHA256, len(LONG))
    proxy.answered = 0
    return store


def serve_long(blobs, **kwargs):
    """Serve the package from the store."""
    return serve_snapshot(package_snapshot(SHA256, len(LONG)), blobs, **kwargs)


def test_simultaneous_downloads_fetch_once(blobs, proxy):
    """Eight simultaneous downloads fetch the package once from the store."""
    with serve_long(blobs) as running, ThreadPoolExecutor(8) as threads:
        bodies = threads.map(lambda _number: running.get(URL).body, range(8))
        assert all(body == LONG for body in bodies)
        assert running.get(URL, BLOCK).body == LONG[:WINDOW]
    assert len(LONG) <= proxy.answered < 1.1 * len(LONG)


def test_small_ranges_fetch_little(blobs, proxy):
    """A small range fetches little; a range inside a cached window fetches nothing."""
    with serve_long(blobs) as running:
        assert running.get(URL, method="HEAD")["Content-Length"] == str(len(LONG))
        assert proxy.answered == 0
        assert running.get(URL, b"Range: bytes=-7").body == LONG[-7:]
        assert running.get(URL, b"Range: bytes=8388600-8388615").body == LONG[8388600:8388616]
        assert proxy.answered < 10_000
        assert running.get(URL, BLOCK).body == LONG[:WINDOW]
        before = proxy.answered
        assert running.get(URL, b"Range: bytes=5-9").body == LONG[5:10]
        assert proxy.answered == before


def test_slow_store_is_no_stalled_client(blobs, proxy):
    """The stall limit does not apply while the store is waited for."""
    proxy.fault = Fault.SLOW  # longer than the limit
    with serve_long(blobs, limits=Limits(stall_seconds=0.05)) as running:
        assert running.get(URL, BLOCK).body == LONG[:WINDOW]
        assert running.plane.counts.cuts["stall"] == 0


@pytest.mark.usefixtures("blobs")
def test_store_timeout_gives_500(place, proxy):
    """If the store times out, waiting clients get 500; later ones are served."""
    impatient = S3Blobs(place, now, patience=timedelta(seconds=2), retries=0)
    with serve_long(impatient) as running, ThreadPoolExecutor(5) as threads:
        proxy.fault = Fault.SILENCE
        answers = list(threads.map(lambda _number: running.exchange(request(URL)), range(5)))
        assert [answer[:13] for answer in answers] == [b"HTTP/1.1 500 "] * 5
        proxy.fault = Fault.NONE
        assert running.get(URL).body == LONG


def test_truncated_object(blobs):
    """A range without any bytes gives 500; otherwise the connection is reset after them."""
    with serve_snapshot(package_snapshot(SHA256, 3 * len(LONG)), blobs) as running:
        beyond = b"Range: bytes=%d-" % (2 * len(LONG))
        assert running.exchange(request(URL, beyond)).startswith(b"HTTP/1.1 500 ")
        with running.connect() as connection:
            connection.sendall(request(URL))
            with pytest.raises((ConnectionResetError, AssertionError)):
                read_response(connection)
        until(lambda: running.plane.counts.downloads == 0)


@pytest.fixture
def remote(place, world):
    """Return a server whose packages are in S3, through the proxy."""
    world.blobs = S3Blobs(place, now, retries=1)
    first = world.folder.root / "first"
    first.write_bytes(PACKAGE_1)
    world.blobs.ingest(first, hashlib.sha256(PACKAGE_1).hexdigest(), len(PACKAGE_1))
    return world


def submit(world):
    """Submit a role with the long package, and the package."""
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (LONG, release(2))}
    return world.submit({("armani", 3): world.ceremony.role("armani", 3, files)}, [LONG])


def test_answers_equal_those_from_disk(remote, tmp_path):
    """GET and HEAD with any range have the same answers as from a folder."""
    bundle_id = submit(remote)
    remote.run(Publisher.process_incoming)
    assert remote.result(bundle_id).reason == ""
    assert LocalBlobs(remote.folder.blobs).length(SHA256) is None
    local = LocalBlobs(tmp_path / "blobs")
    (tmp_path / "source").write_bytes(LONG)
    local.ingest(tmp_path / "source", SHA256, len(LONG))
    asked = [
        (SIGNED_URL,),
        *(
            (SIGNED_URL, b"Range: bytes=" + part)
            for part in (b"0-8388607", b"8388608-16777215", b"%d-" % END, b"-7", b"5-16777220")
        ),
        (SIGNED_URL, b"Range: bytes=%d-" % (END + 1)),
    ]
    with serve(remote.folder, blobs=remote.blobs) as far, serve(remote.folder, blobs=local) as near:
        for question in asked:
            for method in ("GET", "HEAD"):
                there = far.get(*question, method=method)
                here = near.get(*question, method=method)
                assert without_date(there) == without_date(here)
        whole = far.get(SIGNED_URL)
    assert whole.body == LONG


def test_store_error_during_a_download(remote, proxy):
    """If the store fails before the first byte, the answer is 500; later, the connection ends."""
    submit(remote)
    remote.run(Publisher.process_incoming)
    with serve(remote.folder, blobs=remote.blobs) as served:
        # Less than a step of a reader that fell behind its window, also with one repetition.
        proxy.fault, proxy.limit = Fault.CUT_ANSWER, 100_000
        proxy.drop()
        head, _, body = served.exchange(request(SIGNED_URL)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert LONG.startswith(body)
        assert 0 < len(body) < len(LONG)
        proxy.fault = Fault.ERROR
        proxy.drop()
        answer = served.exchange(request(SIGNED_URL))
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"Connection: close" in answer
        proxy.fault = Fault.NONE
        assert served.get(SIGNED_URL).body == LONG


def test_bundle_is_postponed_without_the_store(remote, proxy):
    """A bundle is postponed with an alarm while S3 is away, and then published."""
    bundle_id = submit(remote)
    before = remote.published().timestamp.version
    proxy.fault = Fault.ERROR
    remote.run(Publisher.process_incoming)
    assert len(remote.alarms) == 1
    assert "is tried again later: the S3 store does not" in remote.alarms[0]
    assert remote.published().timestamp.version == before
    assert not (remote.folder.results / f"{bundle_id}.json").exists()
    proxy.fault = Fault.NONE
    remote.ahead = timedelta(minutes=1)
    remote.run(Publisher.process_incoming)
    assert remote.result(bundle_id).status == "published"


def test_pointers_change_without_the_store(remote, place, proxy):
    """Without S3, pointers can be changed and snapshots loaded."""
    known = load_snapshot(remote.folder.public, remote.blobs, EMPTY)
    proxy.fault = Fault.CLOSE
    remote.blobs = S3Blobs(place, now, patience=timedelta(seconds=1), retries=0)
    assert remote.run(Publisher.repair) is None
    assert [alarm[:31] for alarm in remote.alarms] == ["leftovers among the blobs stay:"]
    remote.run(lambda publisher: publisher.change_pointers(lambda _published: {}))
    for before in (known, EMPTY):
        snapshot = load_snapshot(remote.folder.public, remote.blobs, before)
        assert snapshot.version == known.version + 1
        assert snapshot.packages.keys() == {
            url for url in known.packages if not url.startswith("/targets/latest/")
        }
