"""Clients that read, send or disconnect slowly get their answers and delay no others."""

import asyncio
import contextlib
import random
import re
import socket
import struct
import threading
import time
from functools import cache
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from server.device.answer import Served, make_served
from server.device.documents import make_document
from server.device.plane import DevicePlane
from server.device.snapshot import EMPTY, Snapshot
from server.http.counts import Counts
from server.http.listener import listening
from server.http.requests import GateMode
from server.http.turns import Limits
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE, until
from tests.server.device.served import FALLEN_BACK, HOST, TIMESTAMP, read_response, request, serve
from tests.server.device.test_answer import PACKAGE

BIG = "/metadata/1.big.json"
BYTES = random.Random(5).randbytes(12_000_000)  # more than a kernel buffers for a client
PHONE = request(TIMESTAMP, b"Accept-Encoding: gzip")


@cache
def big_document():
    """Return a document of twelve megabytes, cached because compressing it takes long."""
    return make_document(BIG, BYTES, mutable=False)


@contextlib.contextmanager
def serve_big(folder, **limits):
    """Serve a document of twelve megabytes together with the folder's."""
    with serve(folder, limits=Limits(**limits)) as served:
        served.stop_clock()
        known = served.plane.served.snapshot
        documents = {**known.documents, BIG: big_document()}
        snapshot = Snapshot(known.version, documents, known.packages, frozenset(), known.current)
        served.plane.served = make_served(snapshot, (HOST,), GateMode.DIRECT, Served())
        yield served


@contextlib.contextmanager
def narrow(served):
    """Open a connection with a small receive buffer."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.connect(("127.0.0.1", served.port))
        connection.settimeout(PATIENCE)
        yield connection


def read_slowly(served, connection, seconds, is_kept=False):
    """Read to the end within `seconds` of the limits' clock; return the data.

    The end is that of the connection or, with `is_kept`, that of the document.
    """
    answer = bytearray()
    while piece := connection.recv(60_000):
        answer += piece
        if is_kept and answer.endswith(BYTES[-64:]):
            return bytes(answer)
        served.advance(seconds * len(piece) / len(BYTES))
    assert not is_kept
    return bytes(answer)


def body(answer):
    """Return the body after the last head."""
    return answer[answer.rindex(b"\r\n\r\n", 0, answer.index(BYTES[:64]) + 4) + 4 :]


@pytest.mark.parametrize("first", [b"", FALLEN_BACK], ids=["fast-path", "aiohttp"])
def test_last_answer_read_slowly_is_complete(published_state, first):
    """The last answer arrives completely, even if it takes longer than the linger time."""
    with serve_big(published_state.folder, linger_seconds=0.1) as served, narrow(served) as client:
        client.sendall(first + request(BIG, b"Connection: close"))
        assert body(read_slowly(served, client, 2.0)) == BYTES


@pytest.mark.parametrize("first", [b"", FALLEN_BACK], ids=["fast-path", "aiohttp"])
def test_last_answer_read_late_is_complete(published_state, monkeypatch, first):
    """A client that begins to read late gets the complete last answer."""
    for module in ("fast_path", "fallback"):
        monkeypatch.setattr(f"server.http.{module}.unacknowledged", lambda _: len(BYTES))
    with serve_big(published_state.folder, linger_seconds=0.1) as served, narrow(served) as client:
        client.sendall(first + request(BIG, b"Connection: close"))
        assert client.recv(1, socket.MSG_PEEK)
        for _ in range(3):
            served.advance(0.5)
        assert body(read_slowly(served, client, 0.0)) == BYTES


@pytest.mark.parametrize("first", [b"", FALLEN_BACK], ids=["fast-path", "aiohttp"])
def test_connection_closes_once_the_last_answer_is_read(published_state, monkeypatch, first):
    """A connection is closed as soon as its client has the last answer."""
    left = [3, 2, 2]  # checks it; two checks in a row find no progress
    for module in ("fast_path", "fallback"):
        monkeypatch.setattr(
            f"server.http.{module}.unacknowledged", lambda _: left.pop() if left else 0
        )
    with (
        serve(published_state.folder, limits=Limits(linger_seconds=0.1)) as served,
        served.connect() as client,
    ):
        served.stop_clock()
        client.sendall(first + request(TIMESTAMP, b"Connection: close"))
        assert read_response(client).status == 200
        until(lambda: served.advance(0.2) or not served.plane.counts.connections)
        assert not served.plane.counts.cuts["stall"]


def test_last_answer_while_draining_is_complete(published_state):
    """While draining, a slow client gets its complete last answer."""
    with serve_big(published_state.folder, linger_seconds=0.1) as served, narrow(served) as client:
        client.sendall(PHONE)
        read_response(client)
        served.drain(30)
        client.sendall(request(BIG))
        answer = read_slowly(served, client, 2.0)
        assert b"\r\nConnection: close\r\n" in answer
        assert body(answer) == BYTES


@pytest.mark.parametrize("first", [b"", FALLEN_BACK], ids=["fast-path", "aiohttp"])
def test_slow_reader_is_not_stalled(published_state, first):
    """A client that keeps reading is not stalled, however long it takes."""
    with serve_big(published_state.folder, stall_seconds=2.0) as served, narrow(served) as client:
        client.sendall(first + request(BIG))
        assert body(read_slowly(served, client, 60.0, is_kept=True)) == BYTES
        assert served.plane.counts.cuts["stall"] == 0


@pytest.mark.parametrize("first", [b"", FALLEN_BACK], ids=["fast-path", "aiohttp"])
def test_stalled_reader_is_cut_off(published_state, first):
    """A client that reads nothing is cut off and counted, on both paths.

    The server does not read its pipelined requests without limit.
    """
    with serve_big(published_state.folder, stall_seconds=0.2) as served, narrow(served) as client:
        client.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 50_000_000:
                sent += client.send(first or request(BIG))
                first = request(BIG) * 100
        assert sent < 50_000_000
        until(lambda: served.advance(0.1) or served.plane.counts.cuts["stall"])


def resident():
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_waiting_clients_share_a_document(published_state):
    """Thirty clients that do not read cost less than ten copies of the document."""
    with serve_big(published_state.folder) as served, contextlib.ExitStack() as stack:
        before = resident()
        clients = [stack.enter_context(narrow(served)) for _ in range(30)]
        for each in clients:
            each.sendall(request(BIG))
        answered = served.plane.counts.answers
        until(lambda: answered[200] >= len(clients))
        assert served.ask(PHONE).status == 200
        assert resident() - before < 10 * len(BYTES)


def test_unread_pipelined_bytes_are_bounded(published_state, monkeypatch):
    """If too many bytes wait for clients, the newest client is cut off."""
    monkeypatch.setattr("server.http.connections.HELD", 100_000)
    with serve_big(published_state.folder) as served, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(narrow(served)) for _ in range(5)]
        for each in clients:
            each.sendall(FALLEN_BACK + request(BIG) * 3)
        until(lambda: served.plane.counts.cuts["full"])
        assert served.ask(PHONE).status == 200


@pytest.mark.parametrize("rest", [b"\r\n\r\n" * 60_000, PHONE * 2_000])
def test_bytes_after_a_refused_head_are_not_parsed(published_state, monkeypatch, rest):
    """No byte after a refused head is parsed."""
    given = []
    receive = web.RequestHandler.data_received

    def data_received(self, data):
        given.append(data)
        receive(self, data)

    monkeypatch.setattr(web.RequestHandler, "data_received", data_received)
    with serve(published_state.folder) as served:
        for refused, seen in (
            (request(TIMESTAMP, b"Cookie: a=1"), []),
            (request(TIMESTAMP, b"Cookie: a=1").replace(b"GET", b"POST"), [None]),
        ):
            answer = served.exchange(refused + rest)
            assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"400"]
            assert given == [refused for _ in seen]


def test_empty_lines_before_a_head(direct, strict):
    """Empty lines before a request are ignored (RFC 9112 section 2.2), except in strict mode."""
    data = b"\r\n" * 50_000 + PHONE
    assert direct.ask(data).status == 200
    assert strict.ask(data).status == 400
    with direct.connect() as connection:
        connection.sendall(data)
        assert read_response(connection).status == 200
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("first", [PHONE, FALLEN_BACK], ids=["fast-path", "aiohttp"])
def test_unfinished_second_head_is_cut_off(published_state, first):
    """The time limit of a head counts from its first byte, on both paths."""
    with serve(published_state.folder, limits=Limits(head_seconds=0.4)) as served:
        with served.connect() as connection:
            connection.sendall(first)
            read_response(connection)
            is_cut = threading.Event()

            def dribble():
                for byte in PHONE[:-1]:
                    connection.sendall(bytes([byte]))
                    if is_cut.wait(0.05):
                        return

            sender = threading.Thread(target=dribble)
            sender.start()
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
            assert sender.is_alive()  # the limit does not depend on a pause
            is_cut.set()
            sender.join()
        assert served.plane.counts.cuts["head"] == 1


def test_reset_downloads_are_not_counted_as_500(published_state):
    """A client that resets its download is not counted as a 500."""
    with serve(published_state.folder) as served:
        for _ in range(100):
            with served.connect() as connection:
                connection.sendall(request(PACKAGE, b"Range: bytes=0-9"))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: not served.plane.counts.connections)
        assert served.plane.counts.answers[500] == 0


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_connection_accepted_during_shutdown_is_closed(tmp_path, run):
    """A connection accepted while the server ends is closed."""
    limits = Limits(drain_seconds=0)
    plane = DevicePlane(LocalBlobs(tmp_path), Counts(), GateMode.DIRECT, time.time, limits)
    plane.served = make_served(EMPTY, (HOST,), GateMode.DIRECT, Served())

    async def main():
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening_socket, socket.socket() as client:
            client.setblocking(False)
            async with listening(plane, [listening_socket]):
                loop.call_soon(client.connect_ex, listening_socket.getsockname())
                # The loop accepts it after the second turn, before its protocol runs.
                for _ in range(2):
                    await asyncio.sleep(0)
            assert plane.counts.connections == 0

    run(main())


def test_bytes_after_the_last_request_are_discarded(direct):
    """Data sent after the last request is discarded, and the answer arrives."""
    for asked in (request(TIMESTAMP, b"Connection: close"), request(TIMESTAMP, b"Cookie: a=1")):
        with direct.connect() as connection:
            connection.sendall(asked)
            sender = threading.Thread(target=send_until_closed, args=(connection,))
            sender.start()
            sender.join()
            assert read_response(connection).status in {200, 400}


def send_until_closed(connection):
    """Send data until the server closes the connection."""
    with contextlib.suppress(ConnectionError):
        connection.sendall(b"x" * 1_000_000)


def test_date_header_is_current(published_state):
    """The Date header is the current date, on both paths."""
    with serve(published_state.folder) as served:
        served.stop_clock()
        for day, date in ((1, "Fri, 02 Jan 1970"), (2, "Sat, 03 Jan 1970")):
            served.plane.clock = lambda day=day: day * 86_400.0
            for asked in (PHONE, request(PACKAGE, b"Range: bytes=0-1")):
                served.advance(1)
                assert served.ask(asked)["Date"].startswith(date)
