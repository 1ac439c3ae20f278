"""Many phones, one package in S3: the requests to the store, and who waits for whom."""

import hashlib
import socket
import uuid
from array import array
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from server.http.turns import Limits
from server.storage.s3_blobs import WINDOW, S3Blobs, S3Reader
from tests.fault_proxy import Fault, run_fault_proxy
from tests.patience import PATIENCE, until
from tests.server.device.packages import URL, package_snapshot
from tests.server.device.served import read_response, request, serve_snapshot

pytestmark = pytest.mark.needs("seaweed")
LONG = array("I", range(5_000_000)).tobytes()  # three windows, the last short
SHA256 = hashlib.sha256(LONG).hexdigest()
BLOCK = b"Range: bytes=0-%d" % (WINDOW - 1)


@pytest.fixture
def proxy(seaweed):
    """Give a proxy in front of the S3 server."""
    with run_fault_proxy(seaweed.port) as running:
        yield running


def now():
    """Return the time."""
    return datetime.now(UTC)


@pytest.fixture
def place(seaweed, proxy):
    """Give a place reached through the proxy."""
    return seaweed.place(f"downloads/{uuid.uuid4()}", endpoint=proxy.endpoint)


@pytest.fixture
def blobs(place, proxy, tmp_path):
    """Give a store that holds the package."""
    store = S3Blobs(place, now)
    (tmp_path / "source").write_bytes(LONG)
    store.ingest(tmp_path / "source", SHA256, len(LONG))
    proxy.answered = 0
    return store


def serve(blobs, **kwargs):
    """Serve the package from the store."""
    return serve_snapshot(package_snapshot(SHA256, len(LONG)), blobs, **kwargs)


def keep(blobs, count):
    """Set the number of windows that a store caches."""
    blobs._reader = S3Reader(blobs._store, kept=count)


def test_a_fleet_asks_once(blobs, proxy):
    """Eight phones that request the same blocks simultaneously cost the store one package."""
    with serve(blobs) as running, ThreadPoolExecutor(8) as threads:
        bodies = threads.map(lambda _number: running.get(URL).body, range(8))
        assert all(body == LONG for body in bodies)
        assert running.get(URL, BLOCK).body == LONG[:WINDOW]
    assert len(LONG) <= proxy.answered < 1.1 * len(LONG)


def test_little_is_not_fetched_as_a_window(blobs, proxy):
    """A few bytes cost a few; once the window is cached, they cost nothing."""
    with serve(blobs) as running:
        assert running.get(URL, b"Range: bytes=-7").body == LONG[-7:]
        assert running.get(URL, b"Range: bytes=8388600-8388615").body == LONG[8388600:8388616]
        assert proxy.answered < 10_000
        assert running.get(URL, BLOCK).body == LONG[:WINDOW]
        before = proxy.answered
        assert running.get(URL, b"Range: bytes=5-9").body == LONG[5:10]
        assert proxy.answered == before


def test_head_asks_nothing(blobs, proxy):
    """The answer to HEAD comes from the signed metadata."""
    with serve(blobs) as running:
        assert running.get(URL, method="HEAD")["Content-Length"] == str(len(LONG))
    assert proxy.answered == 0


@pytest.mark.parametrize("kept", [1, 16])
def test_one_who_stops_reading(blobs, kept):
    """Others are served meanwhile; later so is this one, even if its window was evicted."""
    keep(blobs, kept)
    with serve(blobs) as running, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        slow.settimeout(PATIENCE)
        slow.connect(("127.0.0.1", running.port))
        slow.sendall(request(URL))
        assert slow.recv(9) == b"HTTP/1.1 "
        for _ in range(3):
            assert running.get(URL).body == LONG
        rest = b""
        while len(rest.partition(b"\r\n\r\n")[2]) < len(LONG):
            rest += slow.recv(1 << 20)
        assert rest.endswith(b"\r\n\r\n" + LONG)


@pytest.mark.parametrize("kept", [1, 2])
def test_more_readers_than_room(blobs, kept):
    """Readers at positions all over a package are served, with room for one or two windows."""
    keep(blobs, kept)
    with serve(blobs) as running, ThreadPoolExecutor(12) as threads:

        def ask(number):
            first = number * 1_600_000
            body = running.get(URL, b"Range: bytes=%d-%d" % (first, first + 3_000_000)).body
            return body == LONG[first : first + 3_000_001]

        assert all(threads.map(ask, range(12)))
        assert len(blobs._reader._windows._windows) <= kept


def test_a_store_that_is_slow_is_not_a_client_that_stalls(blobs, proxy):
    """The limit on stalling does not run while a client waits for the store."""
    proxy.fault = Fault.SLOW  # longer than the limit
    with serve(blobs, limits=Limits(stall_seconds=0.05)) as running:
        assert running.get(URL, BLOCK).body == LONG[:WINDOW]
        assert running.plane.counts.cuts["stall"] == 0


@pytest.mark.usefixtures("blobs")
def test_a_store_that_is_silent(place, proxy):
    """All waiting clients get 500 when the timeout ends; the next client is served again."""
    impatient = S3Blobs(place, now, patience=timedelta(seconds=2), retries=0)
    with serve(impatient) as running, ThreadPoolExecutor(5) as threads:
        proxy.fault = Fault.SILENCE
        answers = list(threads.map(lambda _number: running.exchange(request(URL)), range(5)))
        assert [answer[:13] for answer in answers] == [b"HTTP/1.1 500 "] * 5
        proxy.fault = Fault.NONE
        assert running.get(URL).body == LONG


def test_an_object_that_is_shorter_than_signed(blobs):
    """If no byte of a range is there it is 500; otherwise the available bytes, and a reset."""
    with serve_snapshot(package_snapshot(SHA256, 3 * len(LONG)), blobs) as running:
        behind = b"Range: bytes=%d-" % (2 * len(LONG))
        assert running.exchange(request(URL, behind)).startswith(b"HTTP/1.1 500 ")
        with running.connect() as connection:
            connection.sendall(request(URL))
            with pytest.raises((ConnectionResetError, AssertionError)):
                read_response(connection)
        until(lambda: running.plane.counts.downloads == 0)


def test_those_who_go_away_end_the_fetch(blobs):
    """When the last reader leaves, fetching stops, and no connection stays open."""
    with serve(blobs) as running:
        connections = [running.connect() for _ in range(3)]
        for connection in connections:
            connection.sendall(request(URL))
            connection.recv(1)
            connection.close()
        until(lambda: running.plane.counts.downloads == 0)
        assert all(window.readers == 0 for window in blobs._reader._windows._windows.values())
        assert running.get(URL).body == LONG
