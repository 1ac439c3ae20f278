"""The strict parser of heads compared with a second one, and on arbitrary bytes."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.device.answer import Served, make_served
from server.device.documents import make_document
from server.device.heads import is_for_package, plan_head
from server.device.snapshot import Snapshot
from server.http.answers import Package
from server.http.heads import LONGEST, may_become_head
from server.http.requests import READ, REFUSED, TOLERATED, GateMode
from tests.cases import case

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


def head(*lines):
    """Return a head that requests the document."""
    return b"\r\n".join([LINE, *lines, b"", b""])


def plan(data, *, is_edge=False):
    """Return the status and whether it is the last answer, or None."""
    planned = plan_head(data, SERVED, is_edge=is_edge)
    return planned and (planned[0], planned[2])


def test_heads_that_are_left_to_others():
    """Refused, ambiguous or unusual heads are not parsed here, nor with an edge in front."""
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
def test_request_lines_that_are_left_to_others(line):
    """Only the exact spelling of a document's own line is looked up."""
    assert plan(line + b"\r\n" + HOST + b"\r\n\r\n") is None


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/metadata/1.root.json", 404),
        ("/metadata/10.armani.json", 404),
        ("/metadata/8.armani.json", 410),
        (PACKAGE.replace("a.zip", "b.zip"), 410),
        (PACKAGE.replace("a.zip", "c.zip"), 404),
        ("/log/proof/armani.1", 404),
    ],
)
def test_paths_that_lead_nowhere(path, status, method):
    """They are answered here, too, so that invalid requests cost little."""
    data = method + f" {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n\r\n"
    planned = plan_head(data, SERVED, is_edge=False)
    assert planned[0] == status
    assert planned[1].endswith(b"\r\n\r\n") == (method == b"HEAD")


def test_who_asks_for_a_package():
    """It is recognised by its path alone, whatever else the head contains."""
    assert is_for_package(f"GET {PACKAGE} HTTP/1.1\r\n".encode(), SERVED)
    for data in (
        b"",
        b"GET",
        b"GET ",
        b"GET /\xff\x00 ",
        b"GET /metadata/timestamp.json HTTP/1.1",
    ):
        assert not is_for_package(data, SERVED)


@pytest.mark.parametrize(
    ("lines", "status", "first", "end"),
    [
        ([], 200, 0, 9),
        ([b"Range: bytes=2-4"], 206, 2, 5),
        ([b"range: bytes=-3"], 206, 6, 9),
        ([b"Range: bytes=7- "], 206, 7, 9),
        ([b"Range: bytes=0-1,3-4"], 200, 0, 9),
        ([b"Range: bytes=2-4", f'If-Range: "sha256-{"0" * 64}"'.encode()], 206, 2, 5),
        ([b"Range: bytes=2-4", b'If-Range: "a"'], 200, 0, 9),
    ],
)
def test_parts_of_packages(lines, status, first, end):
    """The requested bytes of a package are known here (RFC 9110 section 14)."""
    data = b"\r\n".join([f"GET {PACKAGE} HTTP/1.1".encode(), HOST, *lines, b"", b""])
    planned = plan_head(data, SERVED, is_edge=False)
    assert (planned.status, planned.first, planned.end) == (status, first, end)
    assert planned.fields.endswith(b"\r\n\r\n")
    assert f"Content-Length: {end - first}\r\n".encode() in planned.fields


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Range: bytes=9-", 416),
        (f'If-None-Match: "sha256-{"0" * 64}"'.encode(), 304),
    ],
)
def test_packages_of_which_nothing_follows(line, status):
    """Such answers are complete."""
    data = b"\r\n".join([f"GET {PACKAGE} HTTP/1.1".encode(), HOST, line, b"", b""])
    assert plan(data) == (status, False)


@pytest.mark.parametrize("name", sorted(TOLERATED - {b"connection"}))
def test_habits_are_read_over(name):
    """Each header that the table tolerates unread is accepted, in both spellings."""
    for spelled in (name, b"-".join(word.capitalize() for word in name.split(b"-"))):
        assert plan(head(spelled + b": any Value, 1;q=0.1", HOST)) == (200, False)


def test_last_answers():
    """Connection is parsed, since it says what follows the answer."""
    assert plan(head(HOST, b"Connection: close")) == (200, True)
    assert plan(head(HOST, b"connection: keep-alive")) == (200, False)


def test_unknown_headers():
    """With an edge in front they are tolerated and reported; names in the table are known."""
    planned = plan_head(head(b"X-A: b", HOST), SERVED, is_edge=True)
    assert (planned[0], planned[3]) == (200, "unknown")
    planned = plan_head(head(b"Via: 1.1 a", HOST), SERVED, is_edge=True)
    assert (planned[0], planned[3]) == (200, None)
    for name in READ | REFUSED | {b"user-agent", b"connection"}:
        data = head(HOST, name.upper() + b": a", name.upper() + b": a")
        assert plan(data, is_edge=True) is None


@pytest.mark.parametrize("name", ["ETag", "Max-Forwards", "server", "Proxy-Connection"])
def test_headers_that_a_parser_reads(name):
    """Headers that matter to aiohttp are judged there, an edge's too."""
    assert plan(head(HOST, f"{name}: 1".encode()), is_edge=True) is None


def test_long_lists():
    """A list in a header is parsed only as far as necessary."""
    tag = DOCUMENT.identity.etag.encode()
    assert plan(head(HOST, b"If-None-Match: " + b"a, " * 15 + tag)) == (304, False)
    assert plan(head(HOST, b"If-None-Match: " + b"a, " * 16 + tag)) == (200, False)
    planned = plan_head(
        head(HOST, b"Accept-Encoding: " + b"a, " * 16 + b"gzip"), SERVED, is_edge=False
    )
    assert b"Content-Encoding" not in planned[1]


pieces = st.sampled_from(
    [
        *(b"Host: a", b"host: [::1]:80", b"Accept: */*", b"Connection: close", b"User-Agent: x y"),
        *(b"Accept-Encoding: gzip", b"If-None-Match: *", b"Sec-Fetch-Mode: cors", b"Cookie: a=1"),
        *(b"Content-Length: 0", b"Range: bytes=0-1", b"X: y", b"Accept:a", b"Accept: a ", b"A : b"),
        *(b"", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"Transfer-Encoding: chunked", b"\x80"),
    ]
)


@given(st.lists(st.lists(pieces, min_size=1, max_size=2).map(b"".join), max_size=6), st.booleans())
def test_what_is_read_here_is_http(lines, is_edge):
    """Another HTTP/1.1 parser accepts every head that is parsed here, and finds one Host in it."""
    data = head(*lines)
    data = data[: data.index(b"\r\n\r\n") + 4]
    if plan(data, is_edge=is_edge) is None:
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    event = reader.next_event()
    assert (event.method, event.target) == (b"GET", b"/metadata/timestamp.json")
    names = [name for name, _ in event.headers]
    assert names.count(b"host") == 1
    assert not REFUSED.intersection(names)
    assert isinstance(reader.next_event(), h11.EndOfMessage)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_answer_or_none(data):
    """No error is raised; invalid bytes are never a phone's request."""
    assert plan_head(data, SERVED, is_edge=True) is None
    may_become_head(data)


@given(st.integers(0, len(head(HOST, b"Accept: a")) - 1))
def test_the_beginning_of_a_head(cut):
    """However little of a valid head has arrived, it can still become one."""
    assert may_become_head(head(HOST, b"Accept: a")[:cut])


@pytest.mark.parametrize(
    "data",
    [b"POST /", b"G\0", b"\r\n", b" GET /", b"GET /a HTTP/1.1\nHost: a", b"GET /" + b"a" * 3000],
)
def test_what_cannot_become_a_head(data):
    """It falls back to aiohttp before its end, which might never arrive."""
    assert not may_become_head(data)
