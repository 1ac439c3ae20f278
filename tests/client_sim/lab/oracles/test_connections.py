"""Targets, TLS parameters, writes and ends of connections are judged."""

from dataclasses import replace

import pytest

from client_sim.lab.oracles.connections import (
    Stray,
    find_breaches,
    find_ends,
    find_strays,
    is_one_record_each,
    judge_ends,
    judge_handshakes,
    judge_tls,
    judge_writes,
)
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import RESET, Channel, Departure, Observation
from client_sim.world import BuildFacts, Public
from tests.cases import case

BUILD = BuildFacts("", "", 0, 0, "")
NAME = (Channel.DNS, -1, b"updates.example.org")
TARGET = (Channel.CONNECT, 0, b"198.51.100.1 8080 plain")
CLOSE = (Channel.CLOSE, 0, b"")
DUE = (Channel.SCHEDULE, -1, b"20000.0")


def explain(public, *departures):
    """Return the explanations for departures given as (channel, connection, bytes)."""
    seen = Observation(
        tuple(Departure(1.0, "poll 1", *departure) for departure in departures), (), (), (), None
    )
    return [stray.explanation for stray in find_strays(seen, public)]


def test_usual_polls_are_clean(public):
    """Two polls in a row have no stray."""
    assert explain(public, *(NAME, TARGET, CLOSE, DUE) * 2) == []


def test_address_must_be_the_first_of_the_name(public):
    """Without knowledge of the name's addresses any address is accepted."""
    departures = tuple(Departure(1.0, "poll 1", *each) for each in (NAME, TARGET, CLOSE))
    seen = Observation(departures, (), (), (b"",), None)
    assert find_strays(seen, public) == ()
    assert find_strays(replace(seen, nearest=("198.51.100.1",)), public) == ()
    assert find_strays(replace(seen, nearest=(None,)), public) == ()
    (stray,) = find_strays(replace(seen, nearest=("198.51.100.2",)), public)
    assert (stray.departure, stray.field) == (departures[1], "address")
    assert "the first that the name resolved to, 198.51.100.2" in stray.explanation


def test_tls_name_must_be_the_host(public):
    """With TLS, a plain connection is a stray; without TLS, a TLS name is."""
    secure = replace(public, tls=True)
    plain, named = TARGET, (Channel.CONNECT, 0, b"198.51.100.1 8080 updates.example.org")
    assert explain(secure, NAME, named, CLOSE) == []
    assert "TLS name is not the ROM's" in explain(secure, NAME, plain, CLOSE)[0]
    assert "TLS name is not the ROM's, none" in explain(public, NAME, named, CLOSE)[0]


def test_exact_stray_of_a_detour(public):
    """A detour is a stray in an otherwise clean poll."""
    detour = Departure(1.0, "poll 1", Channel.DETOUR, -1, b"socket.connect")
    others = [Departure(1.0, "poll 1", *departure) for departure in (NAME, TARGET, CLOSE, DUE)]
    seen = Observation((others[0], detour, *others[1:]), (), (), (b"",), None)
    words = "everything that a client sends must go through the world that it is given"
    assert find_strays(seen, public) == (Stray(detour, words, "detour"),)


def test_exact_strays():
    """Each stray has its departure, explanation and field."""
    public = Public("h.example", 443, True, *("",) * 3, b"", b"", 0, BUILD)
    other = (Channel.CONNECT, 0, b"192.0.2.1 80 a.example with spaces")
    plain = (Channel.CONNECT, 1, b"192.0.2.1")
    events = [(Channel.DNS, -1, b"t.example"), (Channel.DNS, -1, b"h.example"), other, plain, DUE]
    seen = Observation(
        tuple(Departure(1.0, "poll 1", *event) for event in events), (), (), (), None
    )
    left = seen.departures
    assert find_strays(seen, public) == (
        Stray(left[0], "the only name to resolve is h.example", "name"),
        Stray(left[1], "a name may be resolved only once per connection", "number of questions"),
        Stray(left[2], "the port is not the ROM's, 443", "port"),
        Stray(left[2], "the TLS name is not the ROM's, h.example", "TLS name"),
        Stray(left[3], "the port is not the ROM's, 443", "port"),
        Stray(left[3], "the TLS name is not the ROM's, h.example", "TLS name"),
        Stray(left[3], "the client connects to an address without resolving a name", "address"),
        Stray(left[3], "a second connection at the same time", "connections"),
        Stray(left[3], "the connection was not closed after the poll", "close"),
    )


def test_open_connection_is_one_stray():
    """It is not found again at the next due time."""
    seen = Observation(
        tuple(Departure(1.0, "poll 1", *event) for event in (NAME, TARGET, DUE, DUE)),
        *((), (), (), None),
    )
    public = Public("updates.example.org", 8080, False, *("",) * 3, b"", b"", 0, BUILD)
    assert [stray.field for stray in find_strays(seen, public)] == ["close"]


def test_target_is_split_at_spaces(public):
    """Bytes after the TLS name belong to it."""
    for target, fields in (
        (b"192.0.2.1 8080 updates.example.org b", ["TLS name"]),
        (b"192.0.2.1  8080 updates.example.org", ["port", "TLS name"]),
        (b"192.0.2.1 8080", ["TLS name"]),
        (b"192.0.2.1", ["port", "TLS name"]),
    ):
        with case(target, fields):
            seen = Observation(
                tuple(
                    Departure(1.0, "poll 1", *event)
                    for event in (NAME, (Channel.CONNECT, 0, target))
                ),
                *((), (), (), None),
            )
            assert [stray.field for stray in find_strays(seen, replace(public, tls=True))] == fields


HONEST = b"name updates.example.org\nprotocols http/1.1\nresumes no\nearly-data no"


def shake_hands(*handshakes):
    """Make a run with a question and these handshakes."""
    left = [Departure(0.0, "poll 1", Channel.DNS, -1, b"updates.example.org")]
    left += [
        Departure(1.0, f"poll {number}", Channel.TLS, number - 1, data)
        for number, data in enumerate(handshakes, 1)
    ]
    return Observation(tuple(left), (), (), (b"",) * len(handshakes), None)


@pytest.fixture
def phone(public):
    """Return a phone that polls over TLS."""
    return replace(public, tls=True)


@pytest.mark.parametrize(
    ("there", "instead", "field", "explanation"),
    [
        (b"updates.", b"imei.", "name", "name is imei.example.org, not updates.example.org"),
        (b"http/1.1", b"h2 http/1.1", "protocols", "protocols is h2 http/1.1, not http/1.1"),
        (b"resumes no", b"resumes yes", "resumes", "resumes is yes, not no"),
        (b"data no", b"data 7\xe9", "early-data", "early-data is 7é, not no"),
        (b"resumes no\n", b"", "resumes", "resumes is missing, not no"),
        (b"resumes no", b"resumes", "resumes", "resumes is missing, not no"),
        (b"resumes no", b"resumes  no", "resumes", "resumes is  no, not no"),
    ],
)
def test_wrong_tls_parameter_is_found(there, instead, field, explanation, phone):
    """Another name, another protocol, a resumed session and a missing line are found."""
    data = HONEST.replace(there, instead)
    assert judge_tls(shake_hands(HONEST, data), phone) == (
        Finding(
            "tls parameters, poll 2",
            explanation,
            *(data, 0, len(data), None, "tls parameters", field),
        ),
    )


def test_usual_tls_parameters_are_clean(phone, public):
    """A phone that polls without TLS, and a run without handshakes, are not judged."""
    assert judge_tls(shake_hands(HONEST, HONEST), phone) == ()
    assert judge_tls(shake_hands(b"resumes yes"), public) == ()
    assert judge_tls(shake_hands(), phone) == ()


def test_each_missing_tls_parameter_is_found(phone):
    """The findings are in the order of the handshake."""
    fields = [finding.field for finding in judge_tls(shake_hands(b""), phone)]
    assert fields == ["name", "protocols", "resumes", "early-data"]


def test_differing_handshake_is_found():
    """The finding also shows the first handshake."""
    other = HONEST.replace(b"resumes no", b"resumes yes")
    assert judge_handshakes(shake_hands(HONEST, HONEST, other)) == (
        Finding(
            "tls parameters, poll 3",
            "the handshake differs from that of the first connection",
            *(other, 0, len(other), HONEST, "tls parameters", "handshake"),
        ),
    )
    (found,) = judge_handshakes(shake_hands(HONEST, other))
    assert (found.data, found.other) == (other, HONEST)
    assert judge_handshakes(shake_hands(HONEST, HONEST)) == ()
    assert judge_handshakes(shake_hands()) == ()


ONE = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
TWO = b"GET /bc HTTP/1.1\r\nHost: h\r\n\r\n"


def observe(*pieces, sizes=None, close=b""):
    """Make a run with one connection that carries these pieces."""
    left = [(Channel.CONNECT, b"198.51.100.1 8080 plain")]
    left += [] if sizes is None else [(Channel.SIZES, sizes)]
    left += [*((Channel.BYTES, piece) for piece in pieces), (Channel.CLOSE, close)]
    departures = tuple(Departure(1.0, "poll 1", channel, 0, data) for channel, data in left)
    return Observation(departures, (), (), (b"",), None)


def test_write_that_is_not_one_request_is_found():
    """Bytes after the last request count as a request."""
    for pieces, said in (
        ((ONE, TWO), []),
        ((ONE[:9], ONE[9:], TWO), [(0, 9, "a request is split: this write ends in the middle")]),
        ((ONE, TWO[:-1], TWO[-1:]), [(len(ONE), len(TWO) - 1, "a request is split")]),
        ((ONE + TWO,), [(0, len(ONE + TWO), "one write carries more than one request")]),
        ((ONE, b"", TWO), [(len(ONE), 0, "an empty write")]),
        (
            (ONE, b"", TWO[:5], TWO[5:]),
            [(len(ONE), 0, "an empty write"), (len(ONE), 5, "a request is split")],
        ),
        ((ONE, TWO + b"x"), [(len(ONE), len(TWO) + 1, "one write carries more than one")]),
        ((ONE, b"x", b"y"), [(len(ONE), 1, "a request is split")]),
    ):
        with case(pieces, said):
            found = judge_writes(observe(*pieces))
            assert [(each.offset, each.length) for each in found] == [each[:2] for each in said]
            assert all(
                each.explanation.startswith(one[2]) for each, one in zip(found, said, strict=True)
            )
            assert {each.field for each in found} <= {"pieces"}


def test_full_piece_may_end_within_a_request():
    """A full segment has no room for the rest of the request; a shorter one has."""
    assert [*find_breaches((496, 10), (506,), word="segment", full=496)] == []
    (breach,) = find_breaches((495, 11), (506,), word="segment", full=496)
    assert (breach.is_cut, "this segment ends" in breach.explanation) == (True, True)


def test_ends_of_requests():
    """An incomplete request at the end counts."""
    assert find_ends(b"") == ()
    assert find_ends(ONE + TWO) == (len(ONE), len(ONE + TWO))
    assert find_ends(ONE + b"x") == (len(ONE), len(ONE) + 1)


def test_one_tls_record_for_each_request():
    """The end of the handshake and the closing alert may have records of the same type."""
    for sizes, is_good in (
        (b"22:517 20:1 23:53 23:117 23:140", True),
        (b"22:517 20:1 23:53 23:117 23:140 23:19", True),
        (b"22:300 20:1 22:40 23:124 23:147 21:26", True),
        (b"22:517 20:1 23:53 23:67 23:67 23:140", False),
        (b"22:517 20:1 23:53 23:240", False),
        (b"22:517 20:1 23:53 23:117 23:123", False),
        (b"22:517 20:1 23:53 23:117 23:204", False),
        (b"22:517 20:1 23:53 23:117 23:138 23:19", False),
    ):
        with case(sizes, is_good):
            assert is_one_record_each(sizes, (100, 123)) == is_good


def test_two_tls_records_for_one_write_are_found():
    """The client made one write, but the network shows two records."""
    whole = f"22:517 23:53 23:{len(ONE) + 17} 23:{len(TWO) + 17}".encode()
    assert judge_writes(observe(ONE, TWO, sizes=whole)) == ()
    sizes = b"22:517 23:53 23:30 23:30"
    said = "1 requests are not one TLS record each"
    assert judge_writes(observe(ONE, sizes=sizes)) == (
        Finding(
            *("connection 1, poll 1", said, sizes, 0, len(sizes)),
            channel=Channel.SIZES.value,
            field="records",
        ),
    )


def test_writes_are_judged_by_connection():
    """A connection without bytes is clean, and others are judged separately."""
    left = [
        (Channel.CONNECT, 0, b"198.51.100.1 8080 plain"),
        (Channel.CONNECT, 1, b"198.51.100.1 8080 plain"),
        (Channel.BYTES, 1, ONE[:5]),
        (Channel.BYTES, 1, ONE[5:]),
        (Channel.CONNECT, 2, b"198.51.100.1 8080 plain"),
        (Channel.BYTES, 2, ONE),
    ]
    departures = tuple(Departure(1.0, "poll 1", *each) for each in left)
    seen = Observation(departures, (), (), (b"",) * 3, None)
    said = "a request is split: this write ends in the middle of it"
    assert judge_writes(seen) == (
        Finding(
            *("connection 2, poll 1", said, ONE, 0, 5),
            channel=Channel.BYTES.value,
            field="pieces",
        ),
    )


def test_breaches_without_pieces_or_after_the_last_end():
    """No pieces, and bytes after the last end, are no breach."""
    assert [*find_breaches((), ())] == []
    assert [*find_breaches((10, 5), (10,))] == []


def test_reset_is_found():
    """The finding names the connection."""
    assert judge_ends(observe(ONE)) == ()
    said = "the connection ends by a reset (RST) instead of an orderly close (FIN)"
    assert judge_ends(observe(ONE, close=RESET)) == (
        Finding(
            *("connection 1, poll 1", said, RESET, 0, len(RESET)),
            channel=Channel.CLOSE.value,
            field="close",
        ),
    )
