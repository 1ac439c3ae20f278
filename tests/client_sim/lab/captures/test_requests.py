"""Requests are split into fields by general rules, and each field has a size in bits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.capture import Capture, Conversation, DnsQuestion, State
from client_sim.lab.captures.requests import (
    capacity,
    entropy,
    iterate_requests,
    list_fields,
    measure_fields,
)

POST = (
    b"POST /a/b?x=1&flag&y=%20z HTTP/1.1\r\n"
    b"Host: h.example\r\ncookie:  s=abc; uid=7\r\nX-A:\r\n"
    b"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: 13\r\n\r\n"
    b"imei=00&q=a=b"
)
GET = b"GET / HTTP/1.0\nHost: h\n\n"


def test_iterate_requests():
    """A body ends by its length or its last chunk; lines may end with LF alone."""
    first, second = iterate_requests(POST + GET + b"rest")
    assert (first.method, first.target, first.version) == (
        b"POST",
        b"/a/b?x=1&flag&y=%20z",
        b"HTTP/1.1",
    )
    assert first.body == b"imei=00&q=a=b"
    assert (second.offset, second.end) == (len(POST), len(POST) + len(GET))
    assert second.header(b"host") == b"h"
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    first, second = iterate_requests(head + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" + GET)
    assert first.body == b"abcde"
    assert second.version == b"HTTP/1.0"


def test_fields_of_a_request():
    """Each field is at its offset; a query word without a sign of equality has no name."""
    (request,) = iterate_requests(POST)
    fields = list(list_fields(request))
    assert {field.name: field.value for field in fields} == {
        "method": b"POST",
        "path": b"/a/b",
        "query x": b"1",
        "query": b"flag",
        "query y": b"%20z",
        "version": b"HTTP/1.1",
        "names of headers": b"Host, cookie, X-A, Content-Type, Content-Length",
        "header Host": b"h.example",
        "cookie s": b"abc",
        "cookie uid": b"7",
        "header X-A": b"",
        "header Content-Type": b"application/x-www-form-urlencoded; charset=utf-8",
        "header Content-Length": b"13",
        "form imei": b"00",
        "form q": b"a=b",
    }
    for field in fields:
        if field.name != "names of headers":
            assert POST[field.offset : field.offset + len(field.value)] == field.value, field


def test_bytes_without_a_request():
    """Incomplete heads and other first lines are no requests."""
    for data in (
        b"",
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n",
    ):
        assert list(iterate_requests(data)) == []


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_split(data):
    """Offsets grow and fields lie within the bytes."""
    for start in (b"", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"):
        end = 0
        for request in iterate_requests(start + data):
            assert end == request.offset < request.end <= len(start + data)
            end = request.end
            assert all(field.offset <= len(start + data) for field in list_fields(request))


HEAD = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: h.example\r\nAccept-Encoding: gzip\r\n\r\n"
ROOT = HEAD.replace(b"timestamp", b"2.root")


def talk(data):
    """Return a connection."""
    return Conversation("connection", b"", 1, 0.0, data, State.PLAIN)


def test_entropy_and_capacity():
    """Entropy is that of Shannon; the capacity of a value depends on its narrowest alphabet."""
    for counts, bits in (
        ([], 0),
        ([5], 0),
        ([1, 1], 1),
        ([1] * 8, 3),
        ([3, 1], 2 - 0.75 * math.log2(3)),
    ):
        assert entropy(counts) == pytest.approx(bits)
    for value, bits in (
        (b"", 0),
        (b"001017123456785", 15 * math.log2(10)),
        (b"0a1f", 16),
        (b"0A1F", 16),
        (b"Zz9_", 24),
        (b"a b", 3 * math.log2(95)),
        (b"\0\xff", 16),
    ):
        assert capacity(value) == pytest.approx(bits)


def test_most_bits_of_fields():
    """Fields of the request table have no estimate; others have one by their size."""
    clean = measure_fields(Capture("pcap", (talk(ROOT + HEAD),)), b"h.example")
    assert {row.name: row.most for row in clean} == dict.fromkeys(
        ("method", "path", "version", "names of headers", "header Host", "header Accept-Encoding")
    )
    assert [(row.distinct, row.measured) for row in clean if row.name == "path"] == [(2, 1.0)]
    tail = b"imei=001017123456785"
    strange = measure_fields(Capture("pcap", (talk(HEAD + tail),)), None)
    rest = next(row for row in strange if row.name == "bytes that are not a request")
    assert rest.most == pytest.approx(20 * 6)
    headers = b"".join(b"X-%d: 1\r\n" % number for number in range(2000))
    rows = measure_fields(Capture("pcap", (talk(b"GET / HTTP/1.1\r\n" + headers + b"\r\n"),)), None)
    assert len(rows) == 501
    assert rows[-1].name == "fields beyond the first"


def test_resolved_names_are_a_field():
    """The host reveals nothing; other names have an estimate."""
    dns_questions = (
        DnsQuestion("", b"h.example", 1, b""),
        DnsQuestion("", b"0123.t.example", 1, b""),
    )
    (row,) = measure_fields(Capture("pcap", (), dns_questions[:1]), b"h.example:80")
    assert row.most is None
    (row,) = measure_fields(Capture("pcap", (), dns_questions), b"h.example:80")
    assert (row.distinct, row.most) == (2, pytest.approx(14 * math.log2(95)))
