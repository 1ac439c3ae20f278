"""Every byte of a connection has a place with a name, whatever the bytes are."""

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.parts import decode_parts, find_part
from tests.cases import case

ONE = b"GET /a/b?c=d HTTP/1.1\r\nHost: h.example\r\nX-A:1\r\n\r\n"


def test_a_request_is_cut_into_its_parts():
    """Names, places and bytes, counted by hand."""
    assert [(p.request, p.name, p.offset, p.data) for p in decode_parts(ONE)] == [
        (1, "method", 0, b"GET"),
        (1, "path", 4, b"/a/b"),
        (1, "query", 8, b"?c=d"),
        (1, "version", 13, b"HTTP/1.1"),
        (1, "header name", 23, b"Host"),
        (1, "header Host value", 29, b"h.example"),
        (1, "header name", 40, b"X-A"),
        (1, "header X-A value", 44, b"1"),
    ]


def test_requests_are_told_apart():
    """In one packet, behind a body, in other methods and versions."""
    for second, names in (
        (ONE, {1, 2}),
        (b"a=1&" + ONE, {1, 2}),
        (b"post /x HTTP/2.0\r\n\r\n", {1, 2}),
        (b"a body that is no request", {1}),
    ):
        with case(second, names):
            parts = decode_parts(ONE + second)
            assert {part.request for part in parts} == names
            again = [p for p in parts if p.offset >= len(ONE)]
            assert again[0].name == ("method" if second[:4] in {ONE[:4], b"post"} else "body")


def test_a_place_between_two_parts_counts_with_the_one_before():
    """A space or a line end too many is seen where it stands."""
    for offset, name in (
        (0, "method"),
        (3, "method"),
        (4, "path"),
        (12, "query"),
        (38, "header Host value"),
    ):
        with case(offset, name):
            part = find_part(ONE, offset)
            assert part is not None
            assert part.name == name


def test_a_line_without_a_colon_is_a_name():
    """Nothing is dropped because it is malformed."""
    parts = decode_parts(b"GET / HTTP/1.1\r\nfolded\r\n\r\n")
    assert parts[-1] == parts[3]
    assert (parts[3].name, parts[3].data) == ("header name", b"folded")


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_parts_stand_where_they_say(before, after):
    """Any bytes at all: each part is found at its offset, and parts do not overlap."""
    data = before + ONE + after
    end = 0
    for part in decode_parts(data):
        assert data[part.offset : part.offset + len(part.data)] == part.data
        assert part.offset >= end
        end = part.offset + len(part.data)


def test_a_path_may_hold_spaces():
    """What stands between the first space of a line and the last is asked for."""
    parts = decode_parts(b"GET /a b HTTP/1.1\r\n\r\n")
    assert [part.data for part in parts] == [b"GET", b"/a b", b"HTTP/1.1"]


def test_a_query_begins_at_the_first_mark():
    """Another mark belongs to it; without one everything is the path."""
    parts = decode_parts(b"GET /a?b?c HTTP/1.1\r\n\r\n")
    assert [(p.name, p.data) for p in parts][1:3] == [("path", b"/a"), ("query", b"?b?c")]
    parts = decode_parts(b"GET /a HTTP/1.1\r\n\r\n")
    assert [part.name for part in parts] == ["method", "path", "version"]


def test_a_body_begins_behind_the_first_empty_line():
    """Others belong to it."""
    parts = decode_parts(ONE + b"a: b\r\n\r\nc")
    assert (parts[-1].name, parts[-1].data) == ("body", b"a: b\r\n\r\nc")
    assert len(parts) == 9


def test_there_may_be_no_part_at_an_offset():
    """On an empty connection, and before the first part."""
    assert find_part(b"", 0) is None
    assert find_part(b" /a HTTP/1.1\r\n\r\n", 0) is None
    assert find_part(b" /a HTTP/1.1\r\n\r\n", 1) is not None
