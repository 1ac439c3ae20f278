import re

from client_sim.lab.oracles.canary import CanarySearch

POSITIONS = (
    *("method", "version", "path", "query", "fragment", "host", "cookie", "range", "if-range"),
    *("if-none-match", "user-agent", "x-forwarded-for", "chunk extension", "trailer", "h2c"),
    *("absolute form", "path of HTTP/1.0", "pipelined requests", "request line", "endless path"),
    *("path with NUL", "name of a header", "body of POST", "chunk of GET", "HTTP/2 without asking"),
    *("unfinished body", "PROXY line", "line that begins with a space", "account in the host"),
)


def test_every_position_has_canaries_of_its_own(canaries):
    """At least one in each request, of 16 bytes of randomness, and none stands in two requests."""
    values = [value for each in canaries.planted for value in each.values]
    assert len(values) == len(set(values)) >= len(canaries.planted)
    for each in canaries.planted:
        assert each.values
        assert not re.search(rb"<[TBNnA]>", each.data)
    tokens = [value for value in values if re.fullmatch(rb"[a-z2-7]{26}", value)]
    assert len(tokens) > 200
    positions = [each.template.position for each in canaries.planted]
    assert [name for name in POSITIONS if not any(name in each for each in positions)] == []


def test_what_is_written_is_what_is_looked_for(canaries):
    """A canary stands in its request as it is, or as Basic authentication has it."""
    for each in canaries.planted:
        search = CanarySearch({"here": each.values}, 1)
        found = {sighting.value for sighting in search.search(each.data)}
        readable = {value for value in each.values if not value.startswith(b"\xfd\x11")}
        assert readable <= found, each.template.position


def test_lengths_are_those_of_what_is_sent(canaries):
    """A body is as long as its request says, so that a server reads all of it."""
    framed = ("body of GET", "body of POST", "body of PUT", "form in a body", "JSON in a body")
    for each in canaries.planted:
        if each.template.position in framed:
            head, _, body = each.data.partition(b"\r\n\r\n")
            length = int(re.search(rb"Content-Length: (\d+)", head)[1])
            assert length == len(body) > 0


def test_frames_of_http_2_are_whole(canaries):
    """RFC 9113 section 4.1: SETTINGS, then HEADERS with as many bytes as it says."""
    (each,) = (e for e in canaries.planted if e.template.position == "HTTP/2 without asking")
    frames = each.data.removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert frames[:9] == b"\0\0\0\x04\0\0\0\0\0"
    length = int.from_bytes(frames[9:12], "big")
    assert frames[12:18] == b"\x01\x05\0\0\0\x01"
    assert frames[18 + length :] == b"\r\n\r\n"


def test_pieces_of_a_request_are_looked_for_as_digests(canaries):
    """Among them path, query, line and header value, as they were sent."""
    (each,) = (e for e in canaries.planted if e.template.position == "value in a query")
    token = each.values[0]
    line = next(line for line in each.data.split(b"\r\n") if token in line)
    target = line.split(b" ")[1]
    assert {line, target, b"imei=" + token + b"&b=1"} <= set(each.wholes)
    assert each.halves == (token[:13], token[-13:])
