"""One name, one target, one connection at a time, closed after the poll."""

from dataclasses import replace

from client_sim.lab.oracles.egress import Stray, find_strays
from client_sim.lab.trace.observation import Channel, Departure, Observation
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
