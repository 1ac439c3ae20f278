"""Packages in S3 are served byte for byte like those on disk, and S3 may be unreachable."""

import hashlib
import uuid
from array import array
from datetime import UTC, datetime, timedelta

import pytest

from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.publisher import Publisher
from server.storage.errors import StorageError
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import S3Blobs
from server.storage.s3_client import S3Place
from tests.fault_proxy import Fault, run_fault_proxy
from tests.server.ceremony import release
from tests.server.device.served import request, serve
from tests.server.world import FIRST, PACKAGE_1, SECOND

pytestmark = pytest.mark.needs("seaweed")
LONG = b"PK\x03\x04" + array("I", range(5_000_000)).tobytes()  # three windows
SHA256 = hashlib.sha256(LONG).hexdigest()
URL = f"/targets/armani/id/stable/{SHA256}.armani-2.zip"
END = len(LONG) - 1


def now():
    """Return the time."""
    return datetime.now(UTC)


@pytest.fixture
def proxy(seaweed):
    """Give a proxy in front of the S3 server."""
    with run_fault_proxy(seaweed.port) as running:
        yield running


@pytest.fixture
def remote(seaweed, proxy, world):
    """Give a server that offers a long package, and keeps packages in S3, through the proxy."""
    place = seaweed.place(f"packages/{uuid.uuid4()}", endpoint=proxy.endpoint)
    world.blobs = S3Blobs(place, now, retries=1)
    first = world.folder.root / "first"
    first.write_bytes(PACKAGE_1)
    world.blobs.ingest(first, hashlib.sha256(PACKAGE_1).hexdigest(), len(PACKAGE_1))
    return world


def submit(world):
    """Submit a role that lists the long package, with the package."""
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (LONG, release(2))}
    return world.submit({("armani", 3): world.ceremony.role("armani", 3, files)}, [LONG])


def test_as_from_disk(remote, tmp_path):
    """Whole, in ranges, by HEAD and unsatisfiable: all but the date is as from a folder."""
    bundle_id = submit(remote)
    remote.run(Publisher.process_incoming)
    assert remote.result(bundle_id).reason == ""
    assert LocalBlobs(remote.folder.blobs).length(SHA256) is None
    local = LocalBlobs(tmp_path / "blobs")
    (tmp_path / "source").write_bytes(LONG)
    local.ingest(tmp_path / "source", SHA256, len(LONG))
    asked = [
        (URL,),
        *(
            (URL, b"Range: bytes=" + part)
            for part in (b"0-8388607", b"8388608-16777215", b"%d-" % END, b"-7", b"5-16777220")
        ),
        (URL, b"Range: bytes=%d-" % (END + 1)),
    ]
    with (
        serve(remote.folder, blobs=remote.blobs) as far,
        serve(remote.folder, blobs=local) as near,
    ):
        for question in asked:
            for method in ("GET", "HEAD"):
                there = far.get(*question, method=method)
                here = near.get(*question, method=method)
                assert (there.status, there.body) == (here.status, here.body)
                assert without_date(there) == without_date(here)
        whole = far.get(URL)
    assert whole.body == LONG


def without_date(response):
    """Return the headers that must not differ."""
    return [header for header in response.headers if header[0] != "Date"]


def test_a_store_that_fails_while_a_phone_asks(remote, proxy):
    """Before the first byte it is a 500, later the connection ends; the next phone is served."""
    submit(remote)
    remote.run(Publisher.process_incoming)
    with serve(remote.folder, blobs=remote.blobs) as served:
        # Less than a step of a reader that fell behind its window, also with one repetition.
        proxy.fault, proxy.limit = Fault.CUT_ANSWER, 100_000
        proxy.drop()
        head, _, body = served.exchange(request(URL)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert LONG.startswith(body)
        assert 0 < len(body) < len(LONG)
        proxy.fault = Fault.ERROR
        proxy.drop()
        answer = served.exchange(request(URL))
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"Connection: close" in answer
        proxy.fault = Fault.NONE
        assert served.get(URL).body == LONG


def test_a_bundle_waits_for_the_store(remote, proxy):
    """It is postponed with an alarm, none of it is visible, and it is published once S3 is back."""
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


def test_a_halt_needs_no_store(remote, proxy):
    """While S3 is unreachable pointers change, repair works, and snapshots load, old or new."""
    known = load_snapshot(remote.folder.public, remote.blobs, EMPTY)
    proxy.fault = Fault.CLOSE
    place = place_of(remote, proxy)
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


def place_of(world, proxy):
    """Return the places of a world's blobs."""
    uploads = world.blobs._uploads
    return S3Place(
        uploads.bucket, uploads.prefix.rstrip("/"), proxy.endpoint, uploads.region, uploads.key
    )


def test_lengths_are_asked_once(remote):
    """The known lengths of blobs need no store: they never change."""
    names = [hashlib.sha256(PACKAGE_1).hexdigest()]
    assert remote.blobs.lengths(names) == {names[0]: len(PACKAGE_1)}
    remote.blobs._store = None  # the store could not be asked
    assert remote.blobs.lengths(names) == {names[0]: len(PACKAGE_1)}


def test_a_store_that_is_away_is_said_by_lengths(remote, proxy):
    """An unknown length cannot be determined, which is an error, not an absence."""
    proxy.fault = Fault.CLOSE
    fresh = S3Blobs(place_of(remote, proxy), now, patience=timedelta(seconds=1), retries=0)
    with pytest.raises(StorageError):
        fresh.lengths(["0" * 64])
