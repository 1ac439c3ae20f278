"""HAR files of browsers and proxies are converted to bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.har import is_har, read_har
from client_sim.lab.errors import CaptureError

LIMIT = 1_000_000


def entry(url, method="GET", connection=None, **request):
    """Return an entry."""
    made = {"request": {"method": method, "url": url, **request}}
    return made if connection is None else {**made, "connection": connection}


def read(*entries):
    """Read a HAR with these entries."""
    return read_har(json.dumps({"log": {"version": "1.2", "entries": entries}}).encode(), LIMIT)


def bytes_of(*entries):
    """Return the bytes of each connection."""
    return [talk.data for talk in read(*entries).conversations]


def pairs(**values):
    """Return names and values as HAR has them."""
    return [{"name": name, "value": value} for name, value in values.items()]


def test_request_bytes():
    """Request line, headers, an empty line and the body; other HTTP versions are kept.

    Cookies are added only if there is no header for them.
    """
    one = entry(
        *("https://h.example/a?b=c#d", "POST"),
        httpVersion="http/1.1",
        headers=pairs(Host="h.example", X="y"),
        postData={"mimeType": "text/plain", "text": "böb"},
    )
    for made, data in (
        (one, "POST /a?b=c#d HTTP/1.1\r\nHost: h.example\r\nX: y\r\n\r\nböb".encode()),
        (entry("http://h/", httpVersion="h2"), b"GET / H2\r\n\r\n"),
        (
            entry("http://h/", cookies=pairs(a="b", c="d")),
            b"GET / HTTP/1.1\r\nCookie: a=b; c=d\r\n\r\n",
        ),
        (
            entry("http://h/", cookies=pairs(a="b"), headers=pairs(cookie="a=b")),
            b"GET / HTTP/1.1\r\ncookie: a=b\r\n\r\n",
        ),
    ):
        assert bytes_of(made) == [data]


def test_requests_are_grouped_by_connection():
    """Without connection numbers they are grouped by poll.

    The next root begins a poll unless it follows the previous root; so does another host.
    """
    entries = [entry(f"http://h/{number}", connection=number) for number in ("7", 8, "7")]
    assert [each.count(b"GET") for each in bytes_of(*entries)] == [2, 1]
    names = ["2.root", "timestamp", "2.root", "3.root", "timestamp"]
    entries = [entry(f"http://h.example/metadata/{name}.json") for name in names]
    assert [each.count(b"GET") for each in bytes_of(*entries, entry("http://other/"))] == [2, 3, 1]
    assert any("grouped by poll" in note for note in read(entry("http://h/")).notes)


def test_forms_of_bodies():
    """A body can be parameters, text or base64."""
    for body, data in (
        ({"params": pairs(imei="1 2", q="&")}, b"imei=1+2&q=%26"),
        ({"text": "AAEC", "encoding": "base64"}, b"\0\1\2"),
        ({"text": "é", "encoding": "base64"}, "é".encode()),
        ({"text": ""}, b""),
        ({"text": "", "params": pairs(imei="1")}, b"imei=1"),
        ({"params": [{"name": "f", "fileName": "a.vcf"}]}, b"f=a.vcf"),
        ({"params": [{"name": "f", "fileName": "a.vcf", "value": "b"}]}, b"f=a.vcf+b"),
    ):
        (sent,) = bytes_of(entry("http://h.example/", "POST", postData=body))
        assert sent == b"POST / HTTP/1.1\r\n\r\n" + data


def test_messages_of_web_sockets_are_kept():
    """Only sent messages are kept; data that is not text is kept as written."""
    for data, content in (
        ('"imei"', b"imei"),
        ('"caf\\u00e9"', "café".encode()),
        ("9" * 30, b"9" * 30),
        ("[" * 200 + "]" * 200, b"[" * 200 + b"]" * 200),
        ('{"imei": [1, null]}', b'{"imei": [1, null]}'),
    ):
        har = json.dumps({"log": {"entries": [entry("ws://h.example/")]}})
        message = '{"type": "send", "data": ' + data + '}, {"type": "receive", "data": "x"}'
        messages = f'"_webSocketMessages": [{message}], "request"'
        (other_traffic,) = read_har(
            har.replace('"request"', messages, 1).encode(), LIMIT
        ).other_traffic
        assert (other_traffic.label, other_traffic.frames, other_traffic.data) == (
            "WebSocket messages",
            1,
            content,
        )


def test_times_of_requests():
    """Any other text is time 0, also at the limits of the calendar."""
    for text, at in (
        ("2026-01-01T00:00:00.500Z", 1_767_225_600.5),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600.0),
        ("2026-01-01T00:00:00", 1_767_225_600.0),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140.0),
        ("yesterday", 0.0),
    ):
        made = entry("http://h.example/")
        made["startedDateTime"] = text
        assert read(made).conversations[0].pieces[0][0] == at, text


def test_targets_of_requests():
    """The port defaults to that of the scheme, and TLS has the host's name."""
    for url, target in (
        ("https://h.example/a", b"h.example 443 h.example"),
        ("http://h.example:8080/a", b"h.example 8080 plain"),
        ("wss://h.example:1/a", b"h.example 1 h.example"),
        ("nothing", b" 80 plain"),
        (f"http://h.example:{'9' * 6000}/", f"h.example {'9' * 6000} plain".encode()),
    ):
        capture = read(entry(url))
        assert capture.conversations[0].target == target
        audit_capture(capture, None, None)


def test_malformed_har_is_refused():
    """Only CaptureError is raised; a byte order mark is allowed."""
    for data in (
        *(b"{", b"{}", b'{"log":[]}', b'{"log":{"entries":[{}]}}', b"[" * 100_000, b"{\xff}"),
        b'{"log":{"entries":[{"request":{"method":1,"url":"x"}}]}}',
        b'{"a":' * 50_000,
    ):
        with pytest.raises(CaptureError, match="the HAR cannot be read"):
            read_har(data, LIMIT)
    data = b"\xef\xbb\xbf" + json.dumps({"log": {"entries": []}}).encode()
    assert is_har(data)
    assert read_har(data, LIMIT).conversations == ()


def test_size_of_a_har_is_limited(monkeypatch):
    """Bytes, requests, objects and the length of a URL are limited."""
    with pytest.raises(CaptureError, match="more than 10 bytes"):
        read_har(json.dumps({"log": {"entries": [entry("http://h/")]}}).encode(), 10)
    with pytest.raises(CaptureError, match="a URL of more than 65536 characters"):
        read(entry("http://h/" + "a" * 65_536))
    monkeypatch.setattr("client_sim.lab.captures.har._ENTRIES_LIMIT", 1)
    with pytest.raises(CaptureError, match="more than 1 requests"):
        read(entry("http://h/"), entry("http://h/"))
    monkeypatch.setattr("client_sim.lab.captures.har._OBJECTS_LIMIT", 5)
    with pytest.raises(CaptureError, match="more than 5 objects"):
        read(entry("http://h/", headers=[{}] * 5))


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_arbitrary_text_is_kept(url, name, value):
    """Lone surrogates and line ends raise no exception."""
    sent = bytes_of(entry(url, headers=[{"name": name, "value": value}]))
    assert value.encode("utf-8", "surrogatepass") in sent[0]


def test_user_in_a_url_is_kept_separately():
    """`http://USER@HOST/` is sent to the host; places of findings have only the host."""
    capture = read(entry("http://001017123456785@h.example:80/a"))
    (talk,), (other_traffic,) = capture.conversations, capture.other_traffic
    assert (other_traffic.where, other_traffic.data) == ("h.example:80", b"001017123456785")
    assert talk.name == b"h.example:80"
    assert "001017" not in talk.where
    assert talk.target == b"h.example 80 plain"
