"""Requests and their fields, each with the place where it stands."""

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.requests import list_fields, split_requests

POST = (
    b"POST /a/b?x=1&flag&y=%20z HTTP/1.1\r\n"
    b"Host: h.example\r\ncookie:  s=abc; uid=7\r\nX-A:\r\n"
    b"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: 13\r\n\r\n"
    b"imei=00&q=a=b"
)
GET = b"GET / HTTP/1.0\nHost: h\n\n"


def test_requests_follow_each_other():
    """A body ends where its length says, or its last chunk; a lone line feed ends a line, too."""
    first, second = split_requests(POST + GET + b"rest")
    assert (first.method, first.target, first.version) == (
        b"POST",
        b"/a/b?x=1&flag&y=%20z",
        b"HTTP/1.1",
    )
    assert first.body == b"imei=00&q=a=b"
    assert (second.offset, second.end) == (len(POST), len(POST) + len(GET))
    assert second.header(b"host") == b"h"
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    first, second = split_requests(head + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" + GET)
    assert first.body == b"abcde"
    assert second.version == b"HTTP/1.0"


def test_every_field_stands_where_it_says():
    """Name by name; a pair without a sign of equality has no name."""
    (request,) = split_requests(POST)
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


def test_what_is_no_request_is_none():
    """A head that does not end, or a line that no request has."""
    for data in (
        b"",
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n",
    ):
        assert split_requests(data) == ()


@given(st.binary(max_size=200))
def test_any_bytes_give_requests_within_them(data):
    """Nothing is raised, places grow, and fields stand within the bytes."""
    for start in (b"", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"):
        end = 0
        for request in split_requests(start + data):
            assert end == request.offset < request.end <= len(start + data)
            end = request.end
            assert all(field.offset <= len(start + data) for field in list_fields(request))
