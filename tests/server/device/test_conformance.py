"""RFC 9110 and RFC 9112 by section, on the fast path and on the fallback to aiohttp.

A case has request bytes, the expected statuses in order, and whether the connection then ends.
Requests that are always refused are in test_wire.py, answers about packages in test_answer.py.
"""

import contextlib
import re
import socket
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import pytest

from server.http.fallback import RESPONSE_HEADERS
from tests.cases import case
from tests.server.device.served import FALLEN_BACK, TIMESTAMP, read_response, request
from tests.server.device.test_answer import PACKAGE, POINTER

LINE = f"GET {TIMESTAMP} HTTP/1.1\r\n".encode()
HOST = b"Host: updates.example\r\n"
GOOD = LINE + HOST + b"\r\n"
OPEN, CLOSED = False, True


@dataclass
class Case:
    """A case; `has` and `lacks` are header fields of the last answer."""

    data: bytes
    statuses: list[int]
    ends: bool = OPEN
    has: dict[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()


def asked(*lines, path=TIMESTAMP, method="GET"):
    """Return a request with header lines."""
    return request(path, *lines, method=method)


def old(*lines):
    """Return an HTTP/1.0 request."""
    return asked(*lines).replace(b"HTTP/1.1", b"HTTP/1.0")


VARY = {"Vary": "Accept-Encoding"}
LAST = {"Connection": "close"}
PACKED = {"Content-Encoding": "gzip"}
CASES = {
    "9112 2.2 a leading empty line is ignored": Case(b"\r\n" + GOOD, [200]),
    "9112 2.3 an HTTP/1.0 client gets one answer": Case(old(), [200], CLOSED),
    "9112 2.3 bytes after it are not read": Case(old() + GOOD + GOOD, [200], CLOSED),
    "9112 2.3 it may keep the connection": Case(old(b"Connection: keep-alive"), [200]),
    "9112 5 white space around a value": Case(asked(b"Accept: \t */*\t "), [200]),
    "9112 5 no white space before a value": Case(asked(b"Accept-Encoding:gzip"), [200], has=PACKED),
    "9112 5 an empty value": Case(asked(b"Accept:"), [200]),
    "9112 6.1 a coding that is not the last": Case(
        asked(b"Transfer-Encoding: chunked, gzip") + GOOD, [400], CLOSED
    ),
    "9112 6.3 a body that looks like a request": Case(
        asked(b"Content-Length: %d" % len(GOOD)) + GOOD + GOOD, [400], CLOSED
    ),
    "9112 7.1 a chunk extension": Case(
        asked(b"Transfer-Encoding: chunked") + b"1;a\nb\r\na\r\n0\r\n\r\n" + GOOD, [400], CLOSED
    ),
    "9112 9.3 connections stay open": Case(GOOD, [200], lacks=("Connection",)),
    "9112 9.3.2 pipelined requests are answered in order": Case(
        asked(path="/metadata/9.root.json") + GOOD + asked(path="/metadata/98.armani.json") + GOOD,
        [404, 200, 404, 200],
    ),
    "9112 9.3.2 a refusal ends the connection": Case(
        GOOD + asked(b"Cookie: a") + GOOD, [200, 400], CLOSED
    ),
    "9112 9.3.2 malformed after valid": Case(
        GOOD + asked(path=POINTER) + asked(b"Accept : a") + GOOD, [200, 200, 400], CLOSED
    ),
    "9112 9.6 close": Case(asked(b"Connection: close"), [200], CLOSED, LAST),
    "9112 9.6 close, and more": Case(asked(b"Connection: close") + GOOD, [200], CLOSED, LAST),
    "9112 9.6 close, and garbage": Case(asked(b"Connection: close") + b"\0", [200], CLOSED, LAST),
    "9112 9.6 Close": Case(asked(b"Connection: Close") + GOOD, [200], CLOSED, LAST),
    "9112 9.6 close in a list": Case(asked(b"Connection: TE, close") + GOOD, [200], CLOSED, LAST),
    "9110 5.1 names in any case": Case(
        LINE + b"hOST: a\r\nACCEPT-encoding: gzip\r\n\r\n", [200], has=PACKED
    ),
    "9110 5.3 a list in two lines": Case(asked(b"Accept: a", b"Accept: b"), [200]),
    "9110 5.5 a byte beyond ASCII in a value": Case(asked(b"User-Agent: \xe9"), [200]),
    "9110 7.2 Host with a port": Case(LINE + b"Host: a:8080\r\n\r\n", [200]),
    "9110 7.2 Host is an address": Case(LINE + b"Host: [2001:db8::1]:80\r\n\r\n", [200]),
    "9110 7.6.1 an option of one hop": Case(
        asked(b"Connection: keep-alive, TE", b"TE: trailers"), [200]
    ),
    "9110 8.6 an empty representation": Case(
        asked(path=POINTER), [200], has={"Content-Length": "0"}
    ),
    "9110 9.1 an unknown method": Case(asked(method="PROPFIND") + GOOD, [400], CLOSED),
    "9110 12.5.3 a coding that is accepted": Case(
        asked(b"Accept-Encoding: br, gzip;q=0.1"), [200], has=PACKED | VARY
    ),
    "9110 12.5.3 a coding that is not": Case(
        asked(b"Accept-Encoding: gzip;q=0"), [200], has=VARY, lacks=("Content-Encoding",)
    ),
    "9110 13.1.2 any": Case(asked(b"If-None-Match: *"), [304], has=VARY, lacks=("Content-Type",)),
    "9110 13.1.2 another": Case(asked(b'If-None-Match: "a"'), [200]),
    "9110 13.1.3 no date to compare with": Case(
        asked(b"If-Modified-Since: Sat, 29 Oct 2044 19:43:31 GMT"), [200], lacks=("Last-Modified",)
    ),
    "9110 13.1.4 no date to compare with": Case(
        asked(b"If-Unmodified-Since: Sat, 29 Oct 1994 19:43:31 GMT"), [200]
    ),
    "9110 14.2 a range of a document": Case(
        asked(b"Range: bytes=0-0"), [200], lacks=("Content-Range", "Accept-Ranges")
    ),
    "9110 14.2 an unknown unit": Case(asked(b"Range: lines=0-0", path=PACKAGE), [200]),
    "9110 14.4 a part": Case(
        asked(b"Range: bytes=4-7", path=PACKAGE), [206], has={"Content-Length": "4"}
    ),
    "9110 15.5.5 not found": Case(
        asked(path="/metadata/9.root.json"), [404], has={"Cache-Control": "public, max-age=60"}
    ),
}


#: Ends a connection that is still open, because it is always refused.
STOP = b"\0\r\n\r\n"


def over_fast_path(served, data):
    """Return all bytes that the server sends over a new connection."""
    with served.connect() as connection:
        return exchange(connection, data)


def over_aiohttp(served, data):
    """Return all bytes that the server sends over a connection of aiohttp."""
    with served.connect() as connection:
        connection.sendall(FALLEN_BACK)
        assert read_response(connection).status == 200
        return exchange(connection, data)


def exchange(connection, data):
    """Send bytes and then STOP; return all bytes received, without dates."""
    connection.sendall(data)
    answer = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(STOP)
        while piece := connection.recv(65536):
            answer += piece
    return re.sub(
        rb"\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT(?=\r\n)", b"", answer
    )


def split(data):
    """Return status, fields and body of each answer; no bytes may be left."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        line, *lines = head.decode("ascii").split("\r\n")
        status = int(re.fullmatch(r"HTTP/1\.[01] (\d{3}) [A-Z][A-Za-z ]+", line)[1])
        fields = dict(each.split(": ", 1) for each in lines)
        assert len(fields) == len(lines), head
        length = 0 if status == 304 else int(fields["Content-Length"])
        found.append((status, fields, data[:length]))
        assert len(data) >= length
        data = data[length:]
    return found


def test_rfc_cases_on_both_paths(direct):
    """Each case has its statuses, fields and end, with the same bytes on both paths."""
    for name, row in CASES.items():
        with case(name):
            data = over_fast_path(direct, row.data)
            assert over_aiohttp(direct, row.data) == data
            answers = split(data)
            expected = row.statuses if row.ends else [*row.statuses, 400]
            assert [status for status, _, _ in answers] == expected
            _, fields, _ = answers[len(row.statuses) - 1]
            assert row.has.items() <= fields.items()
            assert not fields.keys() & set(row.lacks)
            assert all(each.keys() <= RESPONSE_HEADERS for _, each, _ in answers)


@pytest.mark.parametrize("send", [over_fast_path, over_aiohttp])
@pytest.mark.parametrize("path", [TIMESTAMP, "/metadata/9.root.json", PACKAGE, POINTER, "/nowhere"])
def test_half_closed_connection_is_answered(direct, send, path):
    """After a half-close, earlier requests are answered (RFC 9112 section 9.6).

    Every answer has a date (RFC 9110 section 6.6.1).
    """
    with direct.connect() as connection:
        if send is over_aiohttp:
            connection.sendall(FALLEN_BACK)
            read_response(connection)
        connection.sendall(asked(path=path) * 2)
        connection.shutdown(socket.SHUT_WR)
        answers = [read_response(connection)]
        if answers[0].status != 400:
            answers.append(read_response(connection))
        assert connection.recv(1) == b""
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert all(parsedate_to_datetime(answer["Date"]) for answer in answers)
