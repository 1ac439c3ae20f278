"""The fast path sends the same bytes as aiohttp, however requests are split or read."""

import contextlib
import itertools
import re
import socket
import struct
import threading

import pytest

from server.http.turns import Limits
from tests.patience import PATIENCE
from tests.server.device.served import FALLEN_BACK, TIMESTAMP, read_response, request, serve
from tests.server.device.test_answer import PACKAGE

GZIP = b"Accept-Encoding: gzip"
PHONE = request(TIMESTAMP, GZIP)
NEXT_ROOT = "/metadata/2.root.json"


def bytes_of(response):
    """Return the bytes of a response without its date."""
    return re.sub(rb"Date: [^\r]*\r\n", b"", response.head) + response.body


class BothPaths:
    """Two connections, one on the fast path and one on aiohttp, until an answer ends them."""

    def __init__(self, served):
        self._served, self._stack, self._pair = served, contextlib.ExitStack(), ()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._stack.close()

    def ask(self, asked):
        """Return the bytes of both answers."""
        is_head = asked.startswith(b"HEAD ")
        if not self._pair:
            self._pair = [self._stack.enter_context(self._served.connect()) for _ in range(2)]
            self._pair[1].sendall(FALLEN_BACK)
            read_response(self._pair[1])
        for each in self._pair:
            each.sendall(asked)
        answers = [read_response(each, is_head=is_head) for each in self._pair]
        if answers[0]["Connection"] == "close":
            self._stack.close()
            self._pair = ()
        return [bytes_of(each) for each in answers]


def every_path(served):
    """Return all valid paths, and some invalid ones.

    Packages come late, because HEAD of a package makes the connection fall back to aiohttp. After
    them a document shows that the connection can still be used.
    """
    snapshot = served.plane.served.snapshot
    return [
        *snapshot.documents,
        NEXT_ROOT,
        "/metadata/3.root.json",
        "/metadata/99.armani.json",
        "/log/proof/dior.1",
        f"/targets/armani/id/stable/{'0' * 64}.armani-1.zip",
        "/nowhere",
        *snapshot.packages,
        TIMESTAMP,
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "lines",
    [
        [GZIP],
        [],
        [b"Accept-Encoding: br, gzip;q=0.3", b"User-Agent: curl/8.14.1", b"Accept: */*"],
        [b"accept-encoding: identity", b"connection: Keep-Alive", b"sec-fetch-mode: cors"],
        [b"If-None-Match: *"],
        [b'If-None-Match: "sha256-0"', GZIP],
        [GZIP, b"Connection: close"],
    ],
)
def test_both_paths_give_the_same_bytes(direct, method, lines):
    """For every path, both give the same status, header fields and body."""
    with BothPaths(direct) as both:
        for path in every_path(direct):
            fast, slow = both.ask(request(path, *lines, method=method))
            assert fast == slow, path


def test_both_paths_give_the_same_304(direct):
    """For each document's ETags, both give the same 304."""
    documents = direct.plane.served.snapshot.documents
    with BothPaths(direct) as both:
        for path, coding in itertools.product(documents, (b"gzip", b"identity")):
            line = b"Accept-Encoding: " + coding
            etag = direct.get(path, line)["ETag"].encode()
            for value in (etag, b"W/" + etag, b'"a", ' + etag):
                fast, slow = both.ask(request(path, line, b"If-None-Match: " + value))
                assert fast == slow
                assert fast.startswith(b"HTTP/1.1 304 Not Modified\r\n")


def test_phone_gets_the_same_answer_in_every_mode(direct, edge, strict):
    """A phone's request gets the same answer in every mode of the gate."""
    for path in (TIMESTAMP, NEXT_ROOT, "/metadata/2.latest.json", "/log/proof/latest.2"):
        answers = {bytes_of(each.get(path, GZIP)) for each in (direct, edge, strict)}
        assert len(answers) == 1


def test_requests_split_at_any_byte(direct):
    """Three pipelined requests, split at any byte, are answered in order."""
    asked = PHONE + request("/log/checkpoint", b"Accept: */*") + request(NEXT_ROOT, GZIP)
    expected = [
        bytes_of(direct.ask(each)) for each in re.findall(rb".+?\r\n\r\n", asked, re.DOTALL)
    ]
    for cut in range(1, len(asked)):
        with direct.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(asked[:cut])
            connection.sendall(asked[cut:])
            assert [bytes_of(read_response(connection)) for _ in range(3)] == expected, cut


def test_unread_answers_are_held_back(direct):
    """A client that does not read gets no more answers until it reads; none is lost."""
    number, path = 5000, "/metadata/2.armani.json"
    response = direct.get(path)
    expected, length = bytes_of(response), len(response.head) + len(response.body)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", direct.port))
        connection.settimeout(PATIENCE)
        sender = threading.Thread(target=connection.sendall, args=(request(path) * number,))
        sender.start()
        answered = direct.plane.counts.answers[200]
        assert direct.ask(PHONE).status == 200  # other clients do not wait for it
        assert direct.plane.counts.answers[200] - answered < number
        answer = bytearray()
        while len(answer) < number * length:
            answer += connection.recv(1 << 20)
        sender.join()
    assert re.sub(rb"Date: [^\r]*\r\n", b"", answer) == expected * number


def test_idle_connection_is_closed(published_state):
    """An idle connection is closed after a while, on both paths."""
    with serve(published_state.folder, limits=Limits(idle_seconds=0.1)) as served:
        for asked in (PHONE, FALLEN_BACK):
            with served.connect() as connection:
                connection.sendall(asked)
                read_response(connection)
                assert connection.recv(1) == b""
        assert served.plane.counts.cuts["idle"] == 1


def test_connection_limit(published_state):
    """A connection above the limit is closed and counted, until a slot is free."""
    with serve(published_state.folder, limits=Limits(connections=2)) as served:
        with served.connect() as first, served.connect() as second:
            for each in (first, second):
                each.sendall(PHONE)
                read_response(each)
            assert served.exchange(b"") == b""
            assert served.plane.counts.cuts["full"] == 1
        while served.plane.counts.connections:
            threading.Event().wait(0.01)
        assert served.ask(PHONE).status == 200


def test_answers_are_counted_on_both_paths(published_state):
    """Every answer is counted once by its status, on both paths."""
    with serve(published_state.folder) as served:
        for asked in (PHONE, request(TIMESTAMP), request(NEXT_ROOT, GZIP), request("/nowhere")):
            served.ask(asked)
        served.ask(request(PACKAGE, b"Range: bytes=0-9"))
        counts = served.plane.counts
        assert {status: n for status, n in counts.answers.items() if n} == {
            200: 2,
            404: 1,
            400: 1,
            206: 1,
        }
        assert {reason: n for reason, n in counts.refusals.items() if n} == {"path": 1}
        assert 'hening_answers_total{status="404"} 1.0' in served.metrics()
        assert "_created" not in served.metrics()


def test_draining_ends_connections_with_an_answer(published_state):
    """While draining, the next answer on each connection is its last; none is reset."""
    with serve(published_state.folder) as served:
        connections = [served.connect() for _ in range(4)]
        for number, each in enumerate(connections):
            each.sendall(PHONE if number % 2 else FALLEN_BACK)
            read_response(each)
        connections[3].sendall(PHONE[:20])
        served.stop_clock()
        served.drain(30)
        connections[1].sendall(PHONE)
        assert read_response(connections[1])["Connection"] == "close"
        connections[3].sendall(PHONE[20:])
        assert read_response(connections[3])["Connection"] == "close"
        served.advance(3)
        for each in connections:
            assert each.recv(1) == b""
            each.close()


def test_flood_of_refusals(published_state):
    """Refusals beyond the rate wait for the next second; polls and packages do not."""
    limits = Limits(fallbacks=20)
    number = 25
    with serve(published_state.folder, limits=limits) as served:
        served.stop_clock()
        flood = [served.connect() for _ in range(number)]
        for each in flood:
            each.sendall(request(TIMESTAMP, b"Cookie: a=1").replace(b"GET", b"POST") + PHONE)
        while served.plane.counts.connections < number and not served.plane.counts.refusals:
            threading.Event().wait(0.01)
        assert served.ask(PHONE).status == 200
        assert served.get(PACKAGE, b"Range: bytes=0-9").status == 206
        assert served.plane.counts.refusals["method"] < number
        served.advance(1)
        for each in flood:
            response = read_response(each)
            assert response.status == 400
            assert each.recv(1) == b""
            each.close()
        assert served.plane.counts.refusals["method"] == number


def test_flood_of_disconnecting_clients(published_state):
    """Clients that send invalid requests and disconnect do not block polls."""
    limits = Limits(fallbacks=2, connections=100)
    with serve(published_state.folder, limits=limits) as served:
        for _ in range(300):
            with served.connect() as connection:
                connection.sendall(request(TIMESTAMP).replace(b"GET", b"POST"))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert served.ask(PHONE).status == 200
        assert served.plane.counts.connections < limits.connections
        assert served.plane.counts.cuts["full"] > 0


def test_flood_of_refused_package_requests(published_state):
    """Refused requests for packages have at most twice the rate of others."""
    limits = Limits(fallbacks=60, head_seconds=60.0)
    with serve(published_state.folder, limits=limits) as served:
        served.stop_clock()
        flood = [served.connect() for _ in range(100)]
        for each in flood:
            each.sendall(request(PACKAGE).replace(b"GET", b"POST"))
        assert served.ask(PHONE).status == 200
        assert served.plane.counts.refusals["method"] < len(flood)
        served.advance(1)
        for each in flood:
            assert read_response(each).status == 400
            each.close()
