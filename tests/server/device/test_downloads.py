"""Downloads: correct ranges on every kind of connection, limits, and errors."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from server.device.documents import make_document
from server.device.snapshot import Snapshot
from server.http.answers import Package
from server.http.requests import GateMode
from server.http.turns import Limits
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE, until
from tests.server.device.served import (
    BYTES,
    LONG,
    TIMESTAMP,
    URL,
    descriptors,
    put,
    put_long,
    read_response,
    request,
    serve_bytes,
    serve_long,
    serve_snapshot,
)
from tests.server.release.certificate import write_certificate

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module", params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def served(request, tmp_path_factory):
    """Serve a package on each kind of event loop."""
    folder = tmp_path_factory.mktemp("blobs")
    with serve_bytes(folder, BYTES, run=request.param) as running:
        yield running


@given(st.integers(0, len(BYTES) - 1), st.integers(0, len(BYTES)))
def test_range_is_a_slice(served, first, length):
    """Any range's bytes are the same as Python's slice."""
    wanted = BYTES[first : first + length + 1]
    answer = served.get(URL, b"Range: bytes=%d-%d" % (first, first + length))
    assert answer.status == 206
    assert answer.body == wanted


def test_pipelined_downloads_are_answered_in_order(served):
    """Pipelined requests for ranges, metadata and packages are answered in order."""
    asked = [
        request(URL, b"Range: bytes=%d-%d" % (n * 100_000, n * 100_000 + 99_999)) for n in (0, 1)
    ]
    with served.connect() as connection:
        connection.sendall(
            asked[0] + asked[1] + request("/metadata/9.root.json") + request(URL) + asked[0]
        )
        assert read_response(connection).body == BYTES[:100_000]
        assert read_response(connection).body == BYTES[100_000:200_000]
        assert read_response(connection).status == 404
        assert read_response(connection).body == BYTES
        assert read_response(connection).body == BYTES[:100_000]


def test_http_1_0_download(served):
    """An HTTP/1.0 client gets the bytes, and then the connection ends."""
    answer = served.exchange(f"GET {URL} HTTP/1.0\r\nHost: a\r\n\r\n".encode())
    assert answer.partition(b"\r\n\r\n")[2] == BYTES


@pytest.mark.parametrize("mode", [GateMode.DIRECT, GateMode.EDGE])
def test_first_and_last_bytes_are_counted(tmp_path, mode):
    """Answers with a package's first or last byte are counted.

    Behind a cache nothing is counted, because the cache's requests are not those of phones.
    """
    end = len(BYTES) - 1
    with serve_bytes(tmp_path, BYTES, mode=mode) as served:
        for first, last in ((0, 99), (0, end), (100, 199), (200, end), (end, end)):
            assert served.get(URL, b"Range: bytes=%d-%d" % (first, last)).status == 206
        head = request(URL, b"Connection: close", method="HEAD")
        assert served.exchange(head).startswith(b"HTTP/1.1 200")
        counts = served.plane.counts
        until(lambda: counts.downloads == 0)
    (sha256,) = {package.sha256 for package in served.plane.served.snapshot.packages.values()}
    is_counted = mode is GateMode.DIRECT
    assert counts.begun == ({sha256: 2} if is_counted else {})
    assert counts.finished == ({sha256: 3} if is_counted else {})


def test_thirty_simultaneous_clients(served):
    """Thirty simultaneous clients each get their own range."""

    def ask(number):
        first = number * 7_001
        body = served.get(URL, b"Range: bytes=%d-%d" % (first, first + 300_000)).body
        return body == BYTES[first : first + 300_001]

    with ThreadPoolExecutor(30) as threads:
        assert all(threads.map(ask, range(30)))


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """Return the TLS contexts of a server and of a client."""
    certificate, key, _ = write_certificate(tmp_path_factory.mktemp("certificate"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=certificate)
    client.check_hostname = False
    return server, client


@dataclass
class Endpoint:
    """A kind of connection: the server's arguments, and how to connect."""

    options: dict
    tls: ssl.SSLContext | None = None

    @contextlib.contextmanager
    def connect(self, running):
        """Open a connection with small buffers."""
        with socket.socket(socket.AF_INET if running.unix is None else socket.AF_UNIX) as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
            plain.settimeout(PATIENCE)
            plain.connect(str(running.unix) if running.unix else ("127.0.0.1", running.port))
            if self.tls is None:
                yield plain
                return
            with self.tls.wrap_socket(plain, suppress_ragged_eofs=False) as connection:
                yield connection


@pytest.fixture(params=["port", "tls", "unix"])
def kind(request):
    """Return the name of a kind of connection."""
    return request.param


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def endpoint(request, kind, tmp_path, contexts):
    """Return each kind of connection on each kind of event loop."""
    server, client = contexts
    options = {"port": {}, "tls": {"tls": server}, "unix": {"unix": tmp_path / "s"}}[kind]
    return Endpoint({"run": request.param, **options}, client if kind == "tls" else None)


def test_ranges_on_every_kind_of_connection(tmp_path, endpoint):
    """Whole packages and ranges are correct on every kind of connection."""
    with (
        serve_bytes(tmp_path, BYTES, **endpoint.options) as running,
        endpoint.connect(running) as connection,
    ):
        for lines, wanted in {
            (): BYTES,
            (b"Range: bytes=1-70000",): BYTES[1:70_001],
            (b"Range: bytes=-65537",): BYTES[-65_537:],
        }.items():
            connection.sendall(request(URL, *lines))
            assert read_response(connection).body == wanted
        until(lambda: running.plane.counts.downloads == 0)


def test_slow_reader_is_not_cut_off(tmp_path, endpoint):
    """A client that keeps reading slowly is not cut off."""
    with serve_bytes(
        tmp_path, BYTES, limits=Limits(stall_seconds=0.4), **endpoint.options
    ) as running:
        running.stop_clock()
        for lines in ((), (b"Connection: close",)):
            with endpoint.connect(running) as connection:
                connection.sendall(request(URL, *lines))
                answer = b""
                while len(answer.partition(b"\r\n\r\n")[2]) < len(BYTES):
                    answer += connection.recv(20_000)
                    running.advance(0.05)
            assert answer.endswith(b"\r\n\r\n" + BYTES)
        assert running.plane.counts.cuts["stall"] == 0


def read_all(connection):
    """Read to the end and discard the data."""
    while connection.recv(1 << 20):
        pass


def test_stalled_reader_is_cut_off(tmp_path, endpoint, kind, monkeypatch):
    """A client that reads nothing is reset and counted, and its slot is released.

    Little of the package is read for it.
    """
    pread, read = os.pread, []

    def count(*asked):
        read.append(asked[1])
        return pread(*asked)

    monkeypatch.setattr(os, "pread", count)
    with serve_long(tmp_path, limits=Limits(stall_seconds=0.3), **endpoint.options) as running:
        counts = running.plane.counts
        running.stop_clock()
        with endpoint.connect(running) as connection:
            connection.sendall(request(URL))
            until(lambda: counts.downloads == 1)
            until(lambda: running.advance(0.1) or counts.cuts["stall"] == 1)
            until(lambda: counts.downloads == 0)
            assert sum(read) < LONG / 4
            assert read or kind != "tls"  # without TLS the kernel reads
            if kind == "unix":
                with pytest.raises((ConnectionError, AssertionError)):
                    read_response(connection)
            else:
                with pytest.raises((ConnectionResetError, ssl.SSLError)):
                    read_all(connection)
        until(lambda: counts.connections == 0)
        assert counts.answers[200] == 1


#: The record header of a ClientHello of 512 bytes, which never follow (RFC 8446 section 5.1).
UNFINISHED_HELLO = b"\x16\x03\x01\x02\x00"


@pytest.mark.parametrize("kind", ["tls"])
@pytest.mark.parametrize("room", [2, 3])
def test_handshakes_count_as_connections(tmp_path, endpoint, room):
    """Connections in a TLS handshake count towards the limit of connections."""
    limits = Limits(connections=room, head_seconds=60.0, drain_seconds=0.1)
    with (
        serve_bytes(tmp_path, BYTES, limits=limits, **endpoint.options) as running,
        contextlib.ExitStack() as stack,
    ):
        counts = running.plane.counts
        for _ in range(2):
            stack.enter_context(running.connect()).sendall(UNFINISHED_HELLO)
        until(lambda: counts.connections == 2)
        if room == 2:
            stack.enter_context(pytest.raises((ssl.SSLError, ConnectionError, AssertionError)))
        with endpoint.connect(running) as connection:
            connection.sendall(request("/metadata/9.root.json"))
            assert read_response(connection).status == 404
    assert counts.cuts["full"] == (room == 2)


@pytest.mark.parametrize("kind", ["tls"])
@pytest.mark.parametrize("sent", [b"", UNFINISHED_HELLO], ids=["nothing", "a record's head"])
def test_unfinished_handshake_is_cut_off(tmp_path, endpoint, sent):
    """An unfinished handshake is cut off at the time limit of a head, and counted."""
    with serve_bytes(
        tmp_path, BYTES, limits=Limits(head_seconds=0.3), **endpoint.options
    ) as running:
        with running.connect() as connection:
            connection.sendall(sent)
            assert connection.recv(1) == b""
        until(lambda: running.plane.counts.connections == 0)
        assert running.plane.counts.cuts["head"] == 1


def test_download_limit(tmp_path):
    """Beyond the limit of downloads the answer is 503 without Retry-After, then close.

    Other requests are still answered.
    """
    with serve_long(tmp_path, limits=Limits(downloads=2)) as running:
        held = [running.connect() for _ in range(2)]
        for connection in held:
            connection.sendall(request(URL))
        until(lambda: running.plane.counts.downloads == 2)
        answer = running.exchange(request(URL) + request(URL))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"Connection: close" in answer
        assert b"application/problem+json" in answer
        assert b"retry-after" not in answer.lower()
        assert running.get("/metadata/9.root.json").status == 404
        assert running.get(URL, method="HEAD").status == 503
        assert running.plane.counts.answers[503] == 2
        for connection in held:
            connection.close()
        until(lambda: running.plane.counts.downloads == 0)
        assert running.get(URL, b"Range: bytes=0-9").body == bytes(10)


def test_polls_are_answered_during_downloads(tmp_path):
    """While sixteen downloads run at full speed, polls are answered."""
    path = put_long(tmp_path)
    document = make_document(TIMESTAMP, b"{}", mutable=True)
    snapshot = Snapshot(1, {TIMESTAMP: document}, {URL: Package(path.name, LONG)}, frozenset(), {})
    with serve_snapshot(snapshot, LocalBlobs(tmp_path)) as running:

        def drain(_number):
            with running.connect() as connection:
                connection.sendall(request(URL))
                taken, buffer = 0, bytearray(1 << 20)
                while taken < LONG:
                    taken += connection.recv_into(buffer)

        with ThreadPoolExecutor(16) as threads, running.connect() as poll:
            drains = [threads.submit(drain, number) for number in range(16)]
            until(lambda: running.plane.counts.downloads == 16)
            polls = 0
            while not any(each.done() for each in drains):
                poll.sendall(request(TIMESTAMP))
                assert read_response(poll).status == 200
                polls += 1
        for each in drains:
            each.result()
    assert polls >= 16  # hardly one if packages were sent one after the other


@pytest.mark.parametrize("end", ["reset", "closed", "half closed", "over TLS", "before the head"])
def test_disconnecting_clients_release_their_slots(tmp_path, contexts, end):
    """A client that disconnects in any way releases its slot and descriptor."""
    server, client = contexts
    is_tls = end == "over TLS"
    with serve_long(tmp_path, tls=server if is_tls else None) as running:
        if not is_tls:
            running.get(URL, b"Range: bytes=0-0")
        before = descriptors()
        for number in range(20 if is_tls else 100):
            connection = running.connect()
            connection = client.wrap_socket(connection) if is_tls else connection
            connection.sendall(request(URL))
            if end != "before the head":
                connection.recv(1 if number % 2 else 1 << 20)
            if end == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            elif end == "half closed":
                connection.shutdown(socket.SHUT_WR)
            connection.close()
        until(lambda: running.plane.counts.downloads == 0)
        until(lambda: running.plane.counts.connections == 0)
        until(lambda: descriptors() <= before)


def test_downloads_of_a_package_share_a_descriptor(tmp_path):
    """Ten downloads of a package open its file once."""
    with serve_long(tmp_path) as running:
        before = len(open_files(tmp_path))
        held = [running.connect() for _ in range(10)]
        for connection in held:
            connection.sendall(request(URL))
            connection.recv(1)
        assert len(open_files(tmp_path)) == before + 1
        for connection in held:
            connection.close()
        until(lambda: len(open_files(tmp_path)) == before)


def open_files(folder):
    """Return the open files of this process below a folder."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(each.readlink())
    return [each for each in found if each.is_relative_to(folder)]


@pytest.mark.parametrize("fault", ["missing", "shorter", "longer", "folder", "unreadable"])
def test_missing_or_wrong_blobs(tmp_path, fault):
    """A missing or wrong blob gives 500 and close; the answer does not reveal its path."""
    path = put(tmp_path, BYTES)
    with serve_bytes(tmp_path, BYTES) as running:
        path.unlink()
        if fault == "shorter":
            path.write_bytes(BYTES[:-1])
        elif fault == "longer":
            path.write_bytes(BYTES + b"x")
        elif fault == "folder":
            path.mkdir()
        elif fault == "unreadable":
            os.mkfifo(path)
        counts = running.plane.counts
        for number, method in enumerate(("GET", "HEAD"), 1):
            answer = running.exchange(request(URL, b"Range: bytes=0-9", method=method))
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert b"Connection: close" in answer
            assert str(tmp_path).encode() not in answer
            assert (counts.answers[500], counts.answers[206], counts.downloads) == (number, 0, 0)


def test_truncated_blob_resets_the_connection(tmp_path):
    """If a blob is truncated while it is sent, the connection is reset after its bytes."""
    with serve_long(tmp_path) as running:
        with running.connect() as connection:
            connection.sendall(request(URL))
            connection.recv(1)
            os.truncate(tmp_path / "cd" / ("cd" * 32), LONG // 2)
            with pytest.raises(ConnectionResetError):
                read_all(connection)
        until(lambda: running.plane.counts.downloads == 0)


def test_running_download_ends_with_the_server(tmp_path):
    """A download that is still running after the drain time is cut off."""
    with serve_long(tmp_path, limits=Limits(drain_seconds=0.2)) as running:
        connection = running.connect()
        connection.sendall(request(URL))
        until(lambda: running.plane.counts.downloads == 1)
    with connection, pytest.raises(ConnectionResetError):
        read_all(connection)
