"""Every byte of a connection belongs to a named part, and joined parts show split values."""

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.judging import judge_canaries
from client_sim.lab.oracles.parts import decode_parts, find_part, join_fields
from client_sim.lab.trace.observation import Channel, Departure, Observation
from tests.cases import case

ONE = b"GET /a/b?c=d HTTP/1.1\r\nHost: h.example\r\nX-A:1\r\n\r\n"


def test_parts_of_a_request():
    """Names, offsets and bytes are counted by hand."""
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


def test_requests_are_separated():
    """A request can begin in the same packet, after a body, and with any method and version."""
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


def test_find_part_at_an_offset():
    """Bytes between two parts count with the one before them."""
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


def test_line_without_a_colon_is_a_header_name():
    """Malformed lines are parts, too."""
    parts = decode_parts(b"GET / HTTP/1.1\r\nfolded\r\n\r\n")
    assert parts[-1] == parts[3]
    assert (parts[3].name, parts[3].data) == ("header name", b"folded")


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_parts_of_arbitrary_bytes(before, after):
    """Each part is found at its offset, and parts do not overlap."""
    data = before + ONE + after
    end = 0
    for part in decode_parts(data):
        assert data[part.offset : part.offset + len(part.data)] == part.data
        assert part.offset >= end
        end = part.offset + len(part.data)


def test_path_with_spaces():
    """The path is between the first and the last space of the line."""
    parts = decode_parts(b"GET /a b HTTP/1.1\r\n\r\n")
    assert [part.data for part in parts] == [b"GET", b"/a b", b"HTTP/1.1"]


def test_query_begins_at_the_first_question_mark():
    """Further question marks belong to the query."""
    parts = decode_parts(b"GET /a?b?c HTTP/1.1\r\n\r\n")
    assert [(p.name, p.data) for p in parts][1:3] == [("path", b"/a"), ("query", b"?b?c")]
    parts = decode_parts(b"GET /a HTTP/1.1\r\n\r\n")
    assert [part.name for part in parts] == ["method", "path", "version"]


def test_body_begins_after_the_first_empty_line():
    """Further empty lines belong to the body."""
    parts = decode_parts(ONE + b"a: b\r\n\r\nc")
    assert (parts[-1].name, parts[-1].data) == ("body", b"a: b\r\n\r\nc")
    assert len(parts) == 9


def test_find_part_without_a_part():
    """An empty connection, and an offset before the first part, have none."""
    assert find_part(b"", 0) is None
    assert find_part(b" /a HTTP/1.1\r\n\r\n", 0) is None
    assert find_part(b" /a HTTP/1.1\r\n\r\n", 1) is not None


IMEI = b"001017204862139"
SEARCH = CanarySearch({"imei": (IMEI,)}, layers=1)


def observe(*connections, names=()):
    """Make a run that sends these bytes on its connections and resolves these names."""
    departures = [Departure(1.0, "poll 1", Channel.DNS, -1, name) for name in names]
    for index, data in enumerate(connections):
        departures.append(Departure(1.0, "poll 1", Channel.CONNECT, index, b"a 80 plain"))
        departures.append(Departure(1.0, "poll 1", Channel.BYTES, index, data))
    return Observation(tuple(departures), (), (), (b"",) * len(connections), None)


def get(target=b"/a", *lines):
    """Encode a request."""
    return b"GET " + b"\r\n".join((target + b" HTTP/1.1", b"Host: h.example", *lines, b"", b""))


def test_split_value_is_found():
    """It can be split over headers, requests, connections, parameters, bodies and labels."""
    for seen in (
        observe(get(b"/a", b"X-A: " + IMEI[:7], b"X-B: " + IMEI[7:])),
        observe(get(b"/a", b"X-A: " + IMEI[7:], b"X-B: " + IMEI[:7])),
        observe(get(b"/a", b"X-A: " + IMEI[:7]) + get(b"/a", b"X-A: " + IMEI[7:])),
        observe(get(b"/a", b"X-A: " + IMEI[:7]), get(b"/a", b"X-A: " + IMEI[7:])),
        observe(*(get(b"/a", b"X-A: v%c.x" % digit) for digit in IMEI)),
        observe(*(get(b"/metadata/%c.root.json" % digit) + get() for digit in IMEI)),
        observe(get(b"/a?b=" + IMEI[:7] + b"&c=" + IMEI[7:])),
        observe(get(b"/a?b=" + IMEI[:7]), get(b"/a?" + IMEI[7:])),
        observe(get() + IMEI[:7], get() + IMEI[7:]),
        observe(names=(IMEI[:7] + b"." + IMEI[7:] + b".example",)),
        observe(names=(IMEI[:7] + b".example", IMEI[7:] + b".example")),
    ):
        with case(seen):
            found = judge_canaries(seen, SEARCH)
            assert found
            assert all(finding.offending() == IMEI for finding in found)
            assert all(
                "imei as it is" in finding.explanation and finding.field for finding in found
            )


def test_whole_value_is_found_in_its_own_field():
    """Joined texts are not searched if a whole value is found."""
    (found,) = judge_canaries(observe(get(b"/a", b"X-A: " + IMEI)), SEARCH)
    assert (found.where, found.channel, found.field) == (
        *("connection 1, poll 1", "octets", "request 1, header X-A value"),
    )
    (found,) = judge_canaries(observe(names=(IMEI + b".example",)), SEARCH)
    assert (found.where, found.field) == ("dns question, poll 1", "dns question")


def test_equal_requests_are_joined_once():
    """Values that are the same in all requests are not repeated."""
    texts = dict(join_fields(observe(get(), get(), names=(b"h.example",) * 2)))
    assert texts == {
        "all headers of connection 1": b"h.example",
        "labels of names": b"hexample",
        "first labels of names": b"hh",
    }
    assert judge_canaries(observe(get(), get()), SEARCH) == ()


def test_exact_joined_fields():
    """Each text names its pieces; a text that repeats an earlier one is left out."""
    query = b"/a?c&b=12=3"
    seen = observe(
        get(query, b"X-A: 1") + get(query, b"X-A: 123"),
        get(b"/a", b"X-A: 1"),
        names=(b"a.b", b"cd.e", b"a.b"),
    )
    assert join_fields(seen) == (
        ("all headers of connection 1", b"h.example1h.example123"),
        ("all headers of connection 1, backwards", b"123h.example1h.example"),
        ("all headers of connection 2", b"h.example1"),
        ("all headers of connection 2, backwards", b"1h.example"),
        ("header name of request 1 of each connection", b"HostX-AHostX-A"),
        ("header name of all requests", b"HostX-AHostX-AHostX-A"),
        ("header X-A value of all requests", b"11231"),
        ("header X-A value of all requests, where they differ", b"23"),
        ("header name of request 2 of each connection", b"HostX-A"),
        ("parameters of queries", b"c12=3c12=3"),
        ("labels of names", b"abcde"),
        ("first labels of names", b"acda"),
    )


def test_common_prefix_and_suffix_are_removed():
    """Of v17.x, v26.x and v2.x 17, 26 and 2 are left."""
    values = (b"v17.x", b"v26.x", b"v2.x")
    seen = observe(*(get(b"/a", b"X-A: " + value) for value in values))
    texts = {where: text for where, text in join_fields(seen) if "differ" in where}
    assert texts["header X-A value of request 1 of each connection, where they differ"] == b"17262"
