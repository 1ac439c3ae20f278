"""Bytes close to HTTP's grammar: the fast path and aiohttp always read the same requests."""

import asyncio
from pathlib import Path

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.device.answer import plan_head
from server.http.heads import END
from server.http.requests import REFUSED, TOLERATED, GateMode
from soak.agreement import check_agreement, check_input
from soak.two_ways import DOCUMENTS, HOST, POINTER, TwoWays

FOLDER = Path(__file__).parents[3] / "fixtures" / "fuzz"
CORPUS = sorted([*FOLDER.glob("heads/*"), *FOLDER.glob("protocol/*")])
PHONE = b"Host: " + HOST + b"\r\nAccept-Encoding: gzip\r\n"
PATHS = [path.encode() for path in (*DOCUMENTS, POINTER)]
LINES = [
    *(b"Host: " + HOST, b"host: a", b"Host: [::1]:80", b"Host:", b"Host: a b", b"HOST: a"),
    *(b"Accept-Encoding: gzip", b"accept-encoding: br, gzip;q=0.5", b"Accept-Encoding: gzip;q=0"),
    *(b"Range: bytes=0-9", b"If-Range: a", b"If-None-Match: *", b'If-None-Match: "a", W/"b"'),
    *(b"Connection: close", b"Connection: keep-alive", b"Connection: Close", b"connection: close"),
    *(b"Connection: keep-alive, close", b"Connection: upgrade", b"Upgrade: h2c", b"Sec-A: b"),
    *(b"Sec-A b: c", b"Sec-: a", b"Sec-(): a", b"sec-fetch-mode: navigate", b"X-Imei: 1"),
    *(b"Content-Length: 0", b"Content-Length: 3", b"Content-Length: +3", b"Content-Length: 3, 3"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, a", b"Expect: 100-continue"),
    *(b"Cookie: a", b"Authorization: a", b"User-Agent: a", b"User-Agent : a", b" User-Agent: a"),
    *(b"\tfolded", b"Accept", b": a", b"Accept:", b"Accept: ", b"Accept:a", b"Accept:  a "),
    *(b"Accept: a\x00b", b"Accept: a\x7fb", b"Accept: a\xe9b", b"Accept: a\tb", b"Accept: a\rb"),
    *(b"Accept: " + b"a" * 2100, b"A" * 80 + b": a", b"Via: 1.1 a", b"TE: trailers", b"Te: a"),
    *(b"ETag: a", b"Max-Forwards: 1", b"Server: a", b"Content-Location: /a", b"content-range: a"),
    *(b"Proxy-Connection: close", b"Proxy-Connection: keep-alive", b"etag: b", b"Server: b"),
]
TARGETS = [
    *(PATHS[0] + b"?", PATHS[0] + b"#", b"http://updates.example" + PATHS[0], b"*", b"/"),
    *(PATHS[0] + b"/", b"/" + PATHS[0], b"/metadata/%74imestamp.json", b"/metadata/9.root.json"),
    *(b"/metadata/../metadata/timestamp.json", b"/metadata/1.armani.json", b"/metadata/a\xff"),
]
GLUE = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b":",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"GET ",
    b"\x16\x03",
]

habits = st.sampled_from(sorted(TOLERATED - {b"connection"}))
lines = st.one_of(
    habits.map(lambda name: name.title() + b": a, b"),
    habits.map(lambda name: name + b": a"),
    st.sampled_from(LINES),
    st.sampled_from(sorted(REFUSED)).map(lambda name: name + b": a"),
)
request_line = st.one_of(
    st.sampled_from(PATHS).map(lambda path: b"GET " + path + b" HTTP/1.1"),
    st.tuples(
        st.sampled_from(
            [b"GET ", b"HEAD ", b"POST ", b"get ", b"GET  ", b"\r\nGET ", b"PRI ", b""]
        ),
        st.sampled_from(PATHS + TARGETS),
        st.sampled_from(
            [b" HTTP/1.1", b" HTTP/1.0", b" HTTP/1.2", b" HTTP/2.0", b"", b" http/1.1"]
        ),
    ).map(b"".join),
)
head = st.builds(
    lambda line, host, rest: b"\r\n".join([line, *host, *rest]) + END,
    request_line,
    st.sampled_from([[b"Host: " + HOST]] * 5 + [[]]),
    st.lists(lines, max_size=4)
    | st.integers(30, 60).map(
        lambda count: [b"Sec-%s: a" % (b"A" * number) for number in range(1, count)]
    ),
)


@st.composite
def streams(draw):
    """Draw pipelined requests, most of them valid, with some changed bytes."""
    data = b"".join(draw(st.lists(head, min_size=1, max_size=4)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.sampled_from([0, 0, 1, 2, 5]))
        data = data[:at] + draw(st.sampled_from(GLUE)) + data[at + gone :]
    return data


places = st.lists(st.integers(0, 5000), max_size=6)


@pytest.fixture(scope="module")
def ways():
    """Return both paths in the three modes of the gate."""
    return {mode: TwoWays(mode) for mode in GateMode}


@settings(max_examples=400)
@given(streams(), places, st.sampled_from(list(GateMode)))
@example(b"GET " + PATHS[0] + b" HTTP/1.1\r\nSec-A b: c\r\n" + PHONE + b"\r\n", [], GateMode.DIRECT)
def test_both_paths_read_the_same_requests(ways, data, places, mode):
    """However data is split, both paths give the same answers.

    A refusal ends the connection.
    """
    asyncio.run(check_agreement(ways[mode], data, places))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_fuzzing_corpus(ways, path):
    """Both paths give the same answers to the fuzzer's corpus, including past failures."""
    data = path.read_bytes()
    if path.parent.name == "heads":
        check_head(ways, b"GET " + PATHS[0] + b" HTTP/1.1\r\n" + data + END)
        data = b"GET " + PATHS[0] + b" HTTP/1.1\r\n" + data + END + b"\x01\x02\x03"
    for chosen in (b"\0", b"\1", b"\2"):
        asyncio.run(check_input(list(ways.values()), data + chosen))


@settings(max_examples=400)
@given(head)
def test_h11_agrees_with_the_fast_path(ways, data):
    """h11 reads the same request in what the fast path accepts, without a body."""
    check_head(ways, data)


def check_head(ways, data):
    """Assert that h11 reads a head that the fast path accepts as one request."""
    served = ways[GateMode.EDGE].plane.served
    if plan_head(data, served, is_edge=True) is None:
        assert plan_head(data, served, is_edge=False) is None
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    event = reader.next_event()
    assert data.split(b" ")[:2] == [event.method, event.target]
    assert len(event.headers) == data.count(b"\r\n") - 2
    assert isinstance(reader.next_event(), h11.EndOfMessage)
    assert reader.trailing_data == (b"", False)
