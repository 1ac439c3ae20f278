"""One name, one target, one connection at a time; how TLS, writes and ends of one must be."""

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


def strays(public, *departures):
    """List the explanations for departures given as (channel, connection, bytes)."""
    seen = Observation(
        tuple(Departure(1.0, "poll 1", *departure) for departure in departures), (), (), (), None
    )
    return [stray.explanation for stray in find_strays(seen, public)]


def test_a_poll_goes_where_it_must(public):
    """Two polls in a row are clean."""
    assert strays(public, *(NAME, TARGET, CLOSE, DUE) * 2) == []


def test_what_is_wrong_beside_others_is_named_alone(public):
    """Each stray has one sentence (`test_every_sentence` has the words)."""
    wrong = (Channel.CONNECT, 0, b"198.51.100.1 80 plain")
    for departures, words in (
        ((NAME, NAME, TARGET, CLOSE), "once per connection"),
        ((TARGET, CLOSE), "no question"),
        ((NAME, wrong, CLOSE), "not the ROM's, 8080"),
        ((NAME, TARGET, NAME, TARGET, CLOSE), "at the same time"),
    ):
        (explanation,) = strays(public, *departures)
        assert words in explanation


def test_an_address_is_the_first_that_the_name_gave(public):
    """Another one is somebody else, or a choice; where nobody knows what it gave, none is wrong."""
    departures = tuple(Departure(1.0, "poll 1", *each) for each in (NAME, TARGET, CLOSE))
    seen = Observation(departures, (), (), (b"",), None)
    assert find_strays(seen, public) == ()
    assert find_strays(replace(seen, nearest=("198.51.100.1",)), public) == ()
    assert find_strays(replace(seen, nearest=(None,)), public) == ()
    (stray,) = find_strays(replace(seen, nearest=("198.51.100.2",)), public)
    assert (stray.departure, stray.field) == (departures[1], "address")
    assert "the first that the name gave, 198.51.100.2" in stray.explanation


def test_a_tls_name_is_the_host(public):
    """With TLS, a plain connection is as wrong as another name."""
    secure = replace(public, tls=True)
    plain, named = TARGET, (Channel.CONNECT, 0, b"198.51.100.1 8080 updates.example.org")
    assert strays(secure, NAME, named, CLOSE) == []
    assert "TLS name is not the ROM's" in strays(secure, NAME, plain, CLOSE)[0]
    assert "TLS name is not the ROM's, none" in strays(public, NAME, named, CLOSE)[0]


def test_what_does_not_go_through_the_world_is_told_word_for_word(public):
    """Whatever it is, in the middle of a poll that is clean."""
    detour = Departure(1.0, "poll 1", Channel.DETOUR, -1, b"socket.connect")
    others = [Departure(1.0, "poll 1", *departure) for departure in (NAME, TARGET, CLOSE, DUE)]
    seen = Observation((others[0], detour, *others[1:]), (), (), (b"",), None)
    words = "all that leaves must go through the world that the client is given"
    assert find_strays(seen, public) == (Stray(detour, words, "detour"),)


def test_every_sentence():
    """Word for word, with field and departure."""
    public = Public("h.example", 443, True, *("",) * 3, b"", b"", 0, BUILD)
    other = (Channel.CONNECT, 0, b"192.0.2.1 80 a.example with spaces")
    plain = (Channel.CONNECT, 1, b"192.0.2.1")
    events = [(Channel.DNS, -1, b"t.example"), (Channel.DNS, -1, b"h.example"), other, plain, DUE]
    seen = Observation(
        tuple(Departure(1.0, "poll 1", *event) for event in events), (), (), (), None
    )
    left = seen.departures
    assert find_strays(seen, public) == (
        Stray(left[0], "the only name to ask for is h.example", "name"),
        Stray(left[1], "a name is asked for once per connection", "number of questions"),
        Stray(left[2], "the port is not the ROM's, 443", "port"),
        Stray(left[2], "the TLS name is not the ROM's, h.example", "TLS name"),
        Stray(left[3], "the port is not the ROM's, 443", "port"),
        Stray(left[3], "the TLS name is not the ROM's, h.example", "TLS name"),
        Stray(left[3], "an address that no question was asked for", "address"),
        Stray(left[3], "a second connection at the same time", "connections"),
        Stray(left[3], "the connection was not closed after the poll", "close"),
    )


def test_a_connection_that_stays_open_is_said_once():
    """Not again at the next due time."""
    seen = Observation(
        tuple(Departure(1.0, "poll 1", *event) for event in (NAME, TARGET, DUE, DUE)),
        *((), (), (), None),
    )
    public = Public("updates.example.org", 8080, False, *("",) * 3, b"", b"", 0, BUILD)
    assert [stray.field for stray in find_strays(seen, public)] == ["close"]


def test_a_target_is_read_from_its_spaces(public):
    """What stands behind the name is part of it."""
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
    """Make a run with these handshakes, and a question that is none of them."""
    left = [Departure(0.0, "poll 1", Channel.DNS, -1, b"updates.example.org")]
    left += [
        Departure(1.0, f"poll {number}", Channel.TLS, number - 1, data)
        for number, data in enumerate(handshakes, 1)
    ]
    return Observation(tuple(left), (), (), (b"",) * len(handshakes), None)


@pytest.fixture
def phone(public):
    """Give a phone that polls by TLS."""
    return replace(public, tls=True)


@pytest.mark.parametrize(
    ("there", "instead", "field", "explanation"),
    [
        (b"updates.", b"imei.", "name", "name is imei.example.org, not updates.example.org"),
        (b"http/1.1", b"h2 http/1.1", "protocols", "protocols is h2 http/1.1, not http/1.1"),
        (b"resumes no", b"resumes yes", "resumes", "resumes is yes, not no"),
        (b"data no", b"data 7\xe9", "early-data", "early-data is 7é, not no"),
        (b"resumes no\n", b"", "resumes", "resumes is nowhere, not no"),
        (b"resumes no", b"resumes", "resumes", "resumes is nowhere, not no"),
        (b"resumes no", b"resumes  no", "resumes", "resumes is  no, not no"),
    ],
)
def test_what_is_not_that_of_the_fleet_is_found(there, instead, field, explanation, phone):
    """Another name, another protocol, a session from before, and what is not said."""
    data = HONEST.replace(there, instead)
    assert judge_tls(shake_hands(HONEST, data), phone) == (
        Finding(
            "tls parameters, poll 2",
            explanation,
            *(data, 0, len(data), None, "tls parameters", field),
        ),
    )


def test_an_honest_connection_is_clean(phone, public):
    """So is a phone that polls without TLS, whatever is said, and a run without any."""
    assert judge_tls(shake_hands(HONEST, HONEST), phone) == ()
    assert judge_tls(shake_hands(b"resumes yes"), public) == ()
    assert judge_tls(shake_hands(), phone) == ()


def test_everything_that_is_wrong_is_found(phone):
    """Each by itself, in the order of the handshake."""
    fields = [finding.field for finding in judge_tls(shake_hands(b""), phone)]
    assert fields == ["name", "protocols", "resumes", "early-data"]


def test_a_handshake_that_is_not_that_of_the_first_is_found():
    """Beside what the first one was."""
    other = HONEST.replace(b"resumes no", b"resumes yes")
    assert judge_handshakes(shake_hands(HONEST, HONEST, other)) == (
        Finding(
            "tls parameters, poll 3",
            "the handshake is not that of the first",
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
    """Give a run with one connection that carries the pieces."""
    left = [(Channel.CONNECT, b"198.51.100.1 8080 plain")]
    left += [] if sizes is None else [(Channel.SIZES, sizes)]
    left += [*((Channel.BYTES, piece) for piece in pieces), (Channel.CLOSE, close)]
    departures = tuple(Departure(1.0, "poll 1", channel, 0, data) for channel, data in left)
    return Observation(departures, (), (), (b"",), None)


def test_a_write_that_is_not_one_request_is_found():
    """Where it begins and how long it is; what follows the last request counts as one."""
    for pieces, said in (
        ((ONE, TWO), []),
        ((ONE[:9], ONE[9:], TWO), [(0, 9, "a request is cut: this write ends in the midst")]),
        ((ONE, TWO[:-1], TWO[-1:]), [(len(ONE), len(TWO) - 1, "a request is cut")]),
        ((ONE + TWO,), [(0, len(ONE + TWO), "one write carries more than one request")]),
        ((ONE, b"", TWO), [(len(ONE), 0, "a write without a byte")]),
        (
            (ONE, b"", TWO[:5], TWO[5:]),
            [(len(ONE), 0, "a write without a byte"), (len(ONE), 5, "a request is cut")],
        ),
        ((ONE, TWO + b"x"), [(len(ONE), len(TWO) + 1, "one write carries more than one")]),
        ((ONE, b"x", b"y"), [(len(ONE), 1, "a request is cut")]),
    ):
        with case(pieces, said):
            found = judge_writes(observe(*pieces))
            assert [(each.offset, each.length) for each in found] == [each[:2] for each in said]
            assert all(
                each.explanation.startswith(one[2]) for each, one in zip(found, said, strict=True)
            )
            assert {each.field for each in found} <= {"pieces"}


def test_a_full_piece_may_end_within_a_request():
    """On a network what has no room for the rest; a shorter one had room."""
    assert [*find_breaches((496, 10), (506,), word="segment", full=496)] == []
    (breach,) = find_breaches((495, 11), (506,), word="segment", full=496)
    assert (breach.is_cut, "this segment ends" in breach.explanation) == (True, True)


def test_requests_end_with_their_empty_line():
    """Bytes that are no whole request are one more."""
    assert find_ends(b"") == ()
    assert find_ends(ONE + TWO) == (len(ONE), len(ONE + TWO))
    assert find_ends(ONE + b"x") == (len(ONE), len(ONE) + 1)


def test_each_request_is_in_a_record_of_its_own():
    """Beside the end of a handshake, and of the connection, which have the same type."""
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


def test_two_records_for_one_write_are_a_finding():
    """The write is one, and what the network sees is not."""
    whole = f"22:517 23:53 23:{len(ONE) + 17} 23:{len(TWO) + 17}".encode()
    assert judge_writes(observe(ONE, TWO, sizes=whole)) == ()
    sizes = b"22:517 23:53 23:30 23:30"
    said = "1 requests are not in one record of TLS each"
    assert judge_writes(observe(ONE, sizes=sizes)) == (
        Finding(
            *("connection 1, poll 1", said, sizes, 0, len(sizes)),
            channel=Channel.SIZES.value,
            field="records",
        ),
    )


def test_each_connection_is_judged_by_itself():
    """One that sent nothing has nothing to be written; what others did is found in its place."""
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
    said = "a request is cut: this write ends in the midst of it"
    assert judge_writes(seen) == (
        Finding(
            *("connection 2, poll 1", said, ONE, 0, 5),
            channel=Channel.BYTES.value,
            field="pieces",
        ),
    )


def test_pieces_and_ends_need_not_be_there():
    """Nothing was sent, or more than was asked for."""
    assert [*find_breaches((), ())] == []
    assert [*find_breaches((10, 5), (10,))] == []


def test_an_end_by_reset_is_found():
    """Whatever was sent before it."""
    assert judge_ends(observe(ONE)) == ()
    said = "the connection ends by a reset, with an answer unread, where an end in order belongs"
    assert judge_ends(observe(ONE, close=RESET)) == (
        Finding(
            *("connection 1, poll 1", said, RESET, 0, len(RESET)),
            channel=Channel.CLOSE.value,
            field="close",
        ),
    )
