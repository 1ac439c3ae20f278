"""Heads that are refused without a complete parser, and those that are left to one."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.device.heads import plan_gate_refusal
from server.http.heads import LONGEST
from server.http.requests import REFUSED, GateMode

PATH = b"/metadata/timestamp.json"
HOST = b"Host: updates.example"
FRAMING = {b"content-length", b"expect", b"http2-settings", b"transfer-encoding", b"upgrade"}


def head(target, *lines, method=b"GET", version=b"HTTP/1.1"):
    """Return a head."""
    return b"\r\n".join([b" ".join([method, target, version]), *lines, b"", b""])


def reason(data, mode=GateMode.DIRECT):
    """Return why a head is refused, or None."""
    planned = plan_gate_refusal(data, mode)
    return planned and planned[3]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (head(PATH + b"?imei=1", HOST), "query"),
        (head(PATH + b"#a", HOST), "query"),
        (head(b"/", HOST), "path"),
        (head(b"/metadata/%74imestamp.json", HOST), "path"),
        (head(b"//metadata/timestamp.json", HOST), "path"),
        (head(PATH, HOST, b"Cookie: a=1"), "cookie"),
        (head(PATH, HOST, b"cookie: a=1", method=b"HEAD"), "cookie"),
        (head(PATH, HOST, b"Authorization: Basic YQ=="), "header"),
        (head(PATH, HOST, b"X-Imei: 1"), "header"),
        (head(PATH, b"Host: a b"), "host"),
        (head(PATH, HOST, b"Content-Type: a/b"), "body"),
        (head(PATH, HOST, HOST), "malformed"),
        (head(PATH, HOST, b"User-Agent: a", b"user-agent: a"), "malformed"),
    ],
)
def test_what_is_refused(data, expected):
    """The reason is that of the table in docs/PRIVACY.md, and the connection ends."""
    status, answer, is_last, told = plan_gate_refusal(data, GateMode.DIRECT)
    assert (status, is_last, told) == (400, True, expected)
    assert answer.endswith(b"\r\n\r\n") == data.startswith(b"HEAD")


@pytest.mark.parametrize(
    "data",
    [
        head(PATH, HOST),
        head(PATH),
        head(PATH, HOST, b"Cookie: a", b"cookie: b"),
        head(PATH, HOST, b"Connection: Cookie", b"Cookie: a"),
        head(PATH, HOST, b"Cookie: \xff"),
        head(PATH, HOST, b"Cookie: a", b" b"),
        head(PATH, HOST, b"Cookie : a"),
        head(PATH, HOST, b"Cookie: " + b"a" * LONGEST),
        head(PATH, HOST, b"Cookie: a", method=b"POST"),
        head(PATH, HOST, b"Cookie: a", version=b"HTTP/1.0"),
        head(b"http://a/", HOST),
        head(b"*", HOST),
        b"\r\n" + head(b"/", HOST),
        *(head(b"/", HOST, name + b": a") for name in sorted(FRAMING)),
        *(head(b"/", HOST, name.title() + b": 1") for name in sorted(FRAMING)),
    ],
)
def test_what_is_left_to_others(data):
    """Accepted, framed, ambiguous and non-HTTP heads are not judged here."""
    assert plan_gate_refusal(data, GateMode.DIRECT) is None


def test_strictness():
    """What the mode refuses is refused here; a phone's own request never is."""
    phone = head(PATH, HOST, b"Accept-Encoding: gzip")
    curl = head(PATH, HOST, b"User-Agent: curl/8.14.1", b"Accept: */*")
    assert [reason(curl, mode) for mode in GateMode] == [None, None, "strict"]
    assert [reason(phone, mode) for mode in GateMode] == [None, None, None]
    unknown = head(PATH, HOST, b"X-Forwarded-For: 192.0.2.1")
    assert [reason(unknown, mode) for mode in GateMode] == ["header", None, "header"]


pieces = st.sampled_from(
    [
        *(b"Host: a", b"host: b", b"Cookie: a=1", b"cookie: b", b"X: y", b"Accept:a", b"A : b"),
        *(f"{name.decode()}: a".encode() for name in sorted(REFUSED)),
        *(b"Connection: close", b"Connection: x", b"", b"\n", b"\r", b"\0", b" ", b":", b"\x80"),
    ]
)


@given(st.lists(st.lists(pieces, min_size=1, max_size=2).map(b"".join), max_size=6))
def test_what_is_refused_here_is_one_request(lines):
    """Another HTTP/1.1 parser finds the same headers, and no bytes after the head."""
    data = head(b"/", HOST, *lines)
    data = data[: data.index(b"\r\n\r\n") + 4]
    if reason(data) in {None, "malformed"}:
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    event = reader.next_event()
    assert (event.method, event.target) == (b"GET", b"/")
    assert len(event.headers) == data.count(b"\r\n") - 2
    assert isinstance(reader.next_event(), h11.EndOfMessage)
