"""Everything that a poll sends is decoded into fields with values."""

from dataclasses import replace

from client_sim.lab.oracles.fields import Field, decode_fields, name_channel
from client_sim.lab.trace.observation import RESET, Channel, Departure, Observation
from tests.cases import case

PACKAGE = b"/targets/armani/id/stable/" + b"a" * 64 + b".f.zip"
ROLE = b"GET /metadata/3.armani.json HTTP/1.1\r\nHost: h\r\n\r\n"


def observe(*sent, phase="poll 1"):
    """Make a run of one phase that sends each of these byte strings on its own connection."""
    names = (b"h.example", b"i.example")
    departures = [Departure(1.0, phase, Channel.DNS, -1, name) for name in names]
    for index, data in enumerate(sent):
        departures += [
            Departure(1.0, phase, Channel.CONNECT, index, b"192.0.2.1 80 plain"),
            Departure(1.0, phase, Channel.TLS, index, b"name h"),
            Departure(1.0, phase, Channel.TLS, index, b"resumes no"),
            Departure(1.0, phase, Channel.BYTES, index, data[:3]),
            Departure(1.0, phase, Channel.BYTES, index, data[3:]),
            Departure(1.0, phase, Channel.CLOSE, index, b""),
        ]
    return Observation(tuple(departures), (), (), (b"",) * len(sent), None)


def start(number, pieces):
    """Return the fields that every connection begins with."""
    place = f"connection {number}"
    return (
        Field(place, "address", "connection", b"192.0.2.1"),
        Field(place, "port and TLS name", "connection", b"80 plain"),
        Field(place, "TLS parameters", "connection", b"name h\nresumes no"),
        *((Field(place, "pieces", "connection", pieces),) if pieces else ()),
        Field(place, "close", "connection", b"1 with the poll"),
    )


def test_fields_are_listed_in_order():
    """One connection has a request, and one has other bytes."""
    asked = b"GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n"
    place = "connection 1, request 1"
    assert decode_fields(observe(asked, b"junk")) == {
        1: (
            Field("", "names", "poll", b"h.example i.example"),
            Field("", "connections", "poll", b"2"),
            *start(1, b"3 %d" % (len(asked) - 3)),
            Field("connection 1", "requests", "poll", b"1"),
            Field(place, "header names", "request", b"Host, X-A"),
            Field(place, "method", "request", b"GET"),
            Field(place, "path", "request", b"/a"),
            Field(place, "version", "request", b"HTTP/1.1"),
            Field(place, "header Host value", "request", b"h"),
            Field(place, "header X-A value", "request", b"1"),
            *start(2, b"3 1"),
            Field("connection 2", "requests", "poll", b"1"),
            Field("connection 2, request 1", "header names", "request", b""),
            Field("connection 2, request 1", "method", "request", b"junk"),
        )
    }


def test_installation_has_its_own_places():
    """Its requests are not numbered, and its connection has no pieces."""
    package = b"GET " + PACKAGE + b" HTTP/1.1\r\nRange: bytes=0-9\r\n\r\n"
    proof = b"GET /log/proof/armani.3 HTTP/1.1\r\n\r\n"
    part = b"GET /metadata/3.latest-a.json HTTP/1.1\r\n\r\n"
    part_proof = b"GET /log/proof/latest-a.3 HTTP/1.1\r\n\r\n"
    (fields,) = decode_fields(observe(part + part_proof + ROLE + proof + package)).values()
    assert fields[2:7] == (*start(1, None), Field("connection 1", "requests", "poll", b"2"))
    paths = [(field.place, field.of) for field in fields if field.name == "path"]
    assert paths == [
        ("connection 1, request 1", "part"),
        ("connection 1, request 2", "part"),
        ("codename", "codename"),
        ("proof-codename", "codename"),
        ("package", "package"),
    ]


def test_events_between_polls_have_no_fields():
    """Only polls have fields."""
    assert decode_fields(observe(ROLE, phase="step 2 call-placed")) == {}
    assert decode_fields(observe(ROLE, phase="start")) == {}


def test_channel_of_a_field():
    """Fields other than names, targets, parameters and closes are bytes."""
    for name, channel in (
        ("names", "dns question"),
        ("connections", "connect target"),
        ("address", "connect target"),
        ("port and TLS name", "connect target"),
        ("TLS parameters", "tls parameters"),
        ("close", "close"),
        ("pieces", "octets"),
        ("requests", "octets"),
        ("header Host value", "octets"),
    ):
        with case(name, channel):
            assert name_channel(name) == channel


def test_poll_without_a_connection_has_fields():
    """It has the resolved names and the number of connections, 0."""
    assert decode_fields(observe()) == {
        1: (
            Field("", "names", "poll", b"h.example i.example"),
            Field("", "connections", "poll", b"0"),
        )
    }


def test_connection_closed_after_its_poll():
    """The field has the number of closes and `later`."""
    seen = observe(b"junk")
    late = Departure(9.0, "step 2 call-placed", Channel.CLOSE, 0, b"")
    seen = replace(seen, departures=(*seen.departures, late))
    (fields,) = decode_fields(seen).values()
    assert Field("connection 1", "close", "connection", b"2 later") in fields


def test_connection_that_ends_by_a_reset():
    """The field of the close names the reset."""
    seen = observe(b"junk")
    *others, close = seen.departures
    seen = replace(seen, departures=(*others, replace(close, data=RESET)))
    (fields,) = decode_fields(seen).values()
    assert Field("connection 1", "close", "connection", b"1 with the poll by a reset") in fields
