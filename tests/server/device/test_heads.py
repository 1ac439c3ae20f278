"""Which heads the fast path answers or refuses itself, and which it leaves to aiohttp."""

from dataclasses import replace

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.device.answer import (
    Served,
    is_for_package,
    is_phones,
    make_served,
    plan_gate_refusal,
    plan_head,
)
from server.device.documents import make_document
from server.device.gate import BLOCK
from server.device.plane import RECALLED, DevicePlane
from server.device.snapshot import Snapshot
from server.http.answers import Package
from server.http.counts import Counts
from server.http.heads import LONGEST, PlannedFile, may_become_head
from server.http.requests import READ, REFUSED, TOLERATED, GateMode
from tests.cases import case
from tests.server.device.served import FALLEN_BACK

DOCUMENT = make_document("/metadata/timestamp.json", b"{}" * 99, mutable=True)
LINE = b"GET /metadata/timestamp.json HTTP/1.1"
PACKAGE = f"/targets/armani/id/stable/{'0' * 64}.a.zip"
SNAPSHOT = Snapshot(
    1,
    {"/metadata/timestamp.json": DOCUMENT},
    {PACKAGE: Package("0" * 64, 9)},
    frozenset({PACKAGE.replace("a.zip", "b.zip")}),
    {"armani": 9},
)
SERVED = make_served(SNAPSHOT, (b"updates.example",), GateMode.DIRECT, Served())
HOST = b"Host: updates.example"


def head(*lines, line=LINE):
    """Return a head, by default with the document's request line."""
    return b"\r\n".join([line if isinstance(line, bytes) else line.encode(), *lines, b"", b""])


def plan(data, *, is_edge=False):
    """Return the planned status and whether it is the last answer, or None."""
    planned = plan_head(data, SERVED, is_edge=is_edge)
    return planned and (planned[0], planned[2])


def test_unusual_heads_are_left_to_aiohttp():
    """Refused, ambiguous and unusual heads are left to aiohttp, also in edge mode."""
    assert plan(FALLEN_BACK) is None
    for lines in [
        [],
        [b"Host:updates.example"],
        [b"Host : updates.example"],
        [b" Host: updates.example"],
        [b"Host:\tupdates.example"],
        [b"Host: "],
        [b"Host: a b"],
        [b"Host: a@b"],
        [b"Host: a/b"],
        [b"Host: a:b"],
        [HOST, HOST],
        [HOST, b"host: updates.example"],
        [HOST, b"Accept-Encoding: gzip", b"accept-encoding: gzip"],
        [HOST, b"If-None-Match: a", b"If-None-Match: b"],
        [HOST, b"Range: bytes=0-1", b"Range: bytes=2-3"],
        [HOST, b"If-Range: a", b"if-range: a"],
        [HOST, b"User-Agent: a", b"User-Agent: a"],
        [HOST, b"Connection: keep-alive", b"Connection: close"],
        [HOST, b"Connection: keep-alive, close"],
        [HOST, b"Connection: Upgrade"],
        [HOST, b"Connection:"],
        [HOST, b"Accept: a\0"],
        [HOST, b"Accept: a\x7f"],
        [HOST, b"Accept: a\tb"],
        [HOST, b"Accept: \xc3\xa9"],
        [HOST, b"Accept: a\rb"],
        [HOST, b"Accept: a\nb"],
        [HOST, b"Accept: a", b" b"],
        [HOST, b"Accept"],
        [HOST, b": a"],
        [HOST, b"X-Unknown: a"],
        [HOST, b"Accept: " + b"a" * LONGEST],
        [HOST, *[b"Accept: a"] * 41],
        *([HOST, name + b": a"] for name in sorted(REFUSED)),
        *([HOST, name.title() + b": a"] for name in sorted(REFUSED)),
    ]:
        with case(lines):
            assert plan(head(*lines)) is None
            if lines != [HOST, b"X-Unknown: a"]:
                assert plan(head(*lines), is_edge=True) is None


@pytest.mark.parametrize(
    "line",
    [
        b"GET /metadata/timestamp.json HTTP/1.0",
        b"GET /metadata/timestamp.json HTTP/1.1 ",
        b"GET  /metadata/timestamp.json HTTP/1.1",
        b"get /metadata/timestamp.json HTTP/1.1",
        b"POST /metadata/timestamp.json HTTP/1.1",
        b"GET /metadata/timestamp.json?a HTTP/1.1",
        b"GET /metadata/%74imestamp.json HTTP/1.1",
        b"GET http://updates.example/metadata/timestamp.json HTTP/1.1",
        f"HEAD {PACKAGE} HTTP/1.1".encode(),
        b"GET /nowhere HTTP/1.1",
        b"HEAD",
        b"HEAD ",
        b"",
    ],
)
def test_unusual_request_lines_are_left_to_aiohttp(line):
    """Only a document's exact request line is answered."""
    assert plan(head(HOST, line=line)) is None


def test_valid_paths_without_a_file():
    """Valid paths without a file are answered with 404 or 410."""
    for path, status in (
        ("/metadata/1.root.json", 404),
        ("/metadata/10.armani.json", 404),
        ("/metadata/8.armani.json", 410),
        (PACKAGE.replace("a.zip", "b.zip"), 410),
        (PACKAGE.replace("a.zip", "c.zip"), 404),
        ("/log/proof/armani.1", 404),
    ):
        for method in ("GET", "HEAD"):
            planned = plan_head(head(HOST, line=f"{method} {path} HTTP/1.1"), SERVED, is_edge=False)
            assert planned[0] == status, path
            assert planned[1].endswith(b"\r\n\r\n") == (method == "HEAD")


def test_package_requests_are_recognised():
    """A request for a package is recognised by its path alone."""
    assert is_for_package(f"GET {PACKAGE} HTTP/1.1\r\n".encode(), SERVED)
    for data in (b"", b"GET", b"GET ", b"GET /\xff\x00 ", b"GET /metadata/timestamp.json HTTP/1.1"):
        assert not is_for_package(data, SERVED)


def test_tolerated_headers_are_accepted():
    """Each header that the table tolerates is accepted in both spellings."""
    for name in sorted(TOLERATED - {b"connection"}):
        for spelled in (name, b"-".join(word.capitalize() for word in name.split(b"-"))):
            assert plan(head(spelled + b": any Value, 1;q=0.1", HOST)) == (200, False), name


def test_connection_close():
    """`Connection: close` makes the answer the last one."""
    assert plan(head(HOST, b"Connection: close")) == (200, True)
    assert plan(head(HOST, b"connection: keep-alive")) == (200, False)


def test_unknown_headers_in_edge_mode():
    """In edge mode unknown headers are tolerated and reported; known ones are not reported."""
    planned = plan_head(head(b"X-A: b", HOST), SERVED, is_edge=True)
    assert (planned[0], planned[3]) == (200, "unknown")
    planned = plan_head(head(b"Via: 1.1 a", HOST), SERVED, is_edge=True)
    assert (planned[0], planned[3]) == (200, None)
    for name in READ | REFUSED | {b"user-agent", b"connection"}:
        data = head(HOST, name.upper() + b": a", name.upper() + b": a")
        assert plan(data, is_edge=True) is None


def test_headers_that_aiohttp_interprets():
    """Headers that aiohttp interprets are left to it."""
    for name in (b"ETag", b"Max-Forwards", b"server", b"Proxy-Connection"):
        assert plan(head(HOST, name + b": 1"), is_edge=True) is None, name


def test_only_the_first_list_elements_are_parsed():
    """Only the first elements of a list in a header are parsed."""
    tag = DOCUMENT.identity.etag.encode()
    assert plan(head(HOST, b"If-None-Match: " + b"a, " * 15 + tag)) == (304, False)
    assert plan(head(HOST, b"If-None-Match: " + b"a, " * 16 + tag)) == (200, False)
    planned = plan_head(
        head(HOST, b"Accept-Encoding: " + b"a, " * 16 + b"gzip"), SERVED, is_edge=False
    )
    assert b"Content-Encoding" not in planned[1]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_no_error(data):
    """Arbitrary bytes raise no error and are left to aiohttp."""
    assert plan_head(data, SERVED, is_edge=True) is None
    may_become_head(data)


@given(st.integers(0, len(head(HOST, b"Accept: a")) - 1))
def test_beginning_of_a_head(cut):
    """Any beginning of a valid head can still become a head."""
    assert may_become_head(head(HOST, b"Accept: a")[:cut])


def test_bytes_that_cannot_become_a_head():
    """Bytes that cannot become a head are left to aiohttp without waiting for the end."""
    for data in (
        *(b"POST /", b"G\0", b"\r\n", b" GET /", b"GET /a HTTP/1.1\nHost: a"),
        b"GET /" + b"a" * 3000,
    ):
        assert not may_become_head(data), data


COOKIE = b"Cookie: a"
FRAMING = [b"content-length", b"expect", b"http2-settings", b"transfer-encoding", b"upgrade"]


def reason(data, mode=GateMode.DIRECT):
    """Return the reason for which the gate refuses a head, or None."""
    planned = plan_gate_refusal(data, mode)
    return planned and planned[3]


def test_heads_that_the_gate_refuses():
    """The gate refuses heads with the reason of docs/PRIVACY.md, and the connection ends."""
    stamp = "/metadata/timestamp.json"
    for data, expected in (
        (head(HOST, line=f"GET {stamp}?imei=1 HTTP/1.1"), "query"),
        (head(HOST, line="GET /metadata/%74imestamp.json HTTP/1.1"), "path"),
        (head(HOST, COOKIE), "cookie"),
        (head(HOST, COOKIE, line=f"HEAD {stamp} HTTP/1.1"), "cookie"),
        (head(HOST, b"X-Imei: 1"), "header"),
        (head(b"Host: a b"), "host"),
        (head(HOST, b"Content-Type: a/b"), "body"),
        (head(HOST, HOST), "malformed"),
    ):
        status, answer, is_last, counted = plan_gate_refusal(data, GateMode.DIRECT)
        assert (status, is_last, counted) == (400, True, expected)
        assert answer.endswith(b"\r\n\r\n") == data.startswith(b"HEAD")


def test_heads_that_the_gate_leaves_to_aiohttp():
    """Accepted, framed, ambiguous and malformed heads are not refused here."""
    for data in (
        head(HOST),
        head(),
        head(HOST, COOKIE, b"cookie: b"),
        head(HOST, b"Connection: Cookie", COOKIE),
        head(HOST, b"Cookie: \xff"),
        head(HOST, COOKIE, b" b"),
        head(HOST, b"Cookie : a"),
        head(HOST, b"Cookie: " + b"a" * LONGEST),
        head(HOST, COOKIE, line="POST / HTTP/1.1"),
        head(HOST, COOKIE, line="GET / HTTP/1.0"),
        head(HOST, line="GET http://a/ HTTP/1.1"),
        head(HOST, line="GET * HTTP/1.1"),
        b"\r\n" + head(HOST, line="GET / HTTP/1.1"),
        *(head(HOST, name + b": 1", line="GET / HTTP/1.1") for name in FRAMING),
        *(head(HOST, name.title() + b": 1", line="GET / HTTP/1.1") for name in FRAMING),
    ):
        assert reason(data) is None, data


def test_gate_modes():
    """Each mode refuses its own requests, and none refuses a phone's."""
    phone = head(HOST, b"Accept-Encoding: gzip")
    curl = head(HOST, b"User-Agent: curl/8.14.1", b"Accept: */*")
    assert [reason(curl, mode) for mode in GateMode] == [None, None, "strict"]
    assert [reason(phone, mode) for mode in GateMode] == [None, None, None]
    unknown = head(HOST, b"X-Forwarded-For: 192.0.2.1")
    assert [reason(unknown, mode) for mode in GateMode] == ["header", None, "header"]


pieces = st.sampled_from(
    [
        *(b"Host: a", b"host: b", b"Cookie: a=1", b"cookie: b", b"X: y", b"Accept:a", b"A : b"),
        *(name + b": a" for name in sorted(REFUSED)),
        *(b"Connection: close", b"Connection: x", b"", b"\n", b"\r", b"\0", b" ", b":", b"\x80"),
    ]
)


@given(st.lists(st.lists(pieces, min_size=1, max_size=2).map(b"".join), max_size=6))
def test_refused_head_is_one_request_to_h11(lines):
    """h11 reads a refused head as one request with the same headers."""
    data = head(*lines, line="GET / HTTP/1.1")
    data = data[: data.index(b"\r\n\r\n") + 4]
    if reason(data) in {None, "malformed"}:
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    event = reader.next_event()
    assert (event.method, event.target) == (b"GET", b"/")
    assert len(event.headers) == data.count(b"\r\n") - 2
    assert isinstance(reader.next_event(), h11.EndOfMessage)


def test_phone_requests_for_packages_and_packs():
    """Phones request packages in aligned blocks, and parts and pictures whole.

    test_gate_modes.py has further requests.
    """
    part = f"/targets/tables/zones/{'0' * 64}.03.xz"
    picture = f"/targets/content/wallpapers/{'0' * 64}.sea.jpg"
    packages = {PACKAGE: Package("0" * 64, BLOCK + 9)}
    packages |= dict.fromkeys((part, picture), Package("0" * 64, 9))
    snapshot = Snapshot(1, {}, packages, frozenset(), {})
    for path, line, expected in (
        ("/metadata/1.content-pro.json", "Accept-Encoding: gzip", True),
        ("/log/proof/root-2.1", "Accept-Encoding: gzip", True),
        (part, "Accept-Encoding: gzip", True),
        (part, "Range: bytes=0-8", False),
        (picture, "Accept-Encoding: gzip", True),
        (picture, "Range: bytes=0-8", False),
        (PACKAGE, f"Range: bytes=0-{BLOCK - 1}", True),
        (PACKAGE, f"Range: bytes={BLOCK}-{BLOCK + 8}", True),
        (PACKAGE, f"Range: bytes={BLOCK}-{2 * BLOCK - 1}", False),
        (PACKAGE, f"Range: bytes={2 * BLOCK}-{2 * BLOCK + 8}", False),
    ):
        data = head(b"Host: a:8080", line.encode(), line=f"GET {path} HTTP/1.1")
        assert is_phones(data, snapshot) == expected, (path, line)
        assert not is_phones(data * 2, snapshot)


CURL = head(HOST, b"User-Agent: curl/8.14.1", b"Accept: */*")


@pytest.fixture
def plane():
    """Return a plane with SNAPSHOT in edge mode."""
    plane = DevicePlane(None, Counts(), GateMode.EDGE, lambda: 0.0)
    plane.show(replace(SERVED, recalled={}))
    return plane


def test_planned_answer_is_reused_until_the_next_snapshot(plane):
    """A planned answer is reused for the same head until the next snapshot."""
    assert plane.recall(CURL) is None
    planned = plane.plan(CURL)
    assert plane.recall(CURL) == planned[:2]
    assert plane.recall(CURL + CURL) is None
    changed = make_document("/metadata/timestamp.json", b"{}", mutable=True)
    snapshot = replace(SNAPSHOT, documents={"/metadata/timestamp.json": changed})
    plane.show(make_served(snapshot, SERVED.hosts, SERVED.mode, plane.served))
    assert plane.recall(CURL) is None
    assert plane.plan(CURL)[1] == changed.identity.data != planned[1]


def test_special_answers_are_not_reused(plane):
    """Answers that are counted specially, end the connection or are files are not reused."""
    for lines in ([HOST, b"Connection: close"], [HOST, b"X-Unknown: 1"], [HOST, b"Cookie: a=b"]):
        with case(lines):
            assert plane.plan(head(*lines)) is not None
            assert plane.recall(head(*lines)) is None
    asked = head(HOST, line=f"GET {PACKAGE} HTTP/1.1")
    assert isinstance(plane.plan(asked), PlannedFile)
    assert plane.recall(asked) is None


def test_remembered_heads_are_limited(plane):
    """The number of remembered heads is limited."""
    heads = [head(HOST, b"User-Agent: %d" % number) for number in range(RECALLED + 1)]
    for each in heads:
        plane.plan(each)
    assert sum(plane.recall(each) is not None for each in heads) == 1
