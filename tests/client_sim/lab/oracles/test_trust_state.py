"""What a phone held and what the server had, from answers alone."""

import json

from client_sim.lab.oracles.trust_state import TrustState, find_trust_states
from client_sim.lab.trace.observation import Channel, Departure, Observation

VERSION_7 = {"meta": {"snapshot.json": {"version": 7}}}


def observe(*polls):
    """Make a run of polls, each a list of (path, status, signed) on one connection."""
    departures, received = [], []
    for number, asked in enumerate(polls, 1):
        sent = answered = b""
        for path, status, signed in asked:
            sent += b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path
            body = json.dumps({"signed": signed}).encode()
            answered += b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
        phase = f"poll {number}"
        departures.append(Departure(1.0, phase, Channel.CONNECT, number - 1, b"a 80 plain"))
        departures.append(Departure(1.0, phase, Channel.BYTES, number - 1, sent))
        received.append(answered)
    return Observation(tuple(departures), (), (), tuple(received), None)


def test_a_phone_holds_what_it_was_given():
    """Versions by role, from the next poll on."""
    first = [
        (b"/metadata/2.root.json", 200, {}),
        (b"/metadata/3.root.json", 404, {}),
        (b"/metadata/timestamp.json", 200, VERSION_7),
        (b"/metadata/7.snapshot.json", 200, {}),
        (b"/metadata/4.latest-a.json", 200, {}),
        (b"/metadata/9.tables.json", 404, {}),
    ]
    second = [(b"/metadata/timestamp.json", 200, VERSION_7)]
    assert find_trust_states(observe(first, second)) == {
        1: TrustState((), 1, 7),
        2: TrustState((("latest-a", 4), ("root", 2), ("snapshot", 7)), 0, 7),
    }


def test_what_is_asked_is_no_part_of_the_state():
    """A phone that asks for more, and is told that there is nothing, stays among the others."""
    usual = [(b"/metadata/timestamp.json", 200, VERSION_7)]
    more = [*usual, (b"/metadata/8.armani.json", 200, {}), (b"/id/17", 200, {})]
    assert find_trust_states(observe(usual, usual)) == find_trust_states(observe(more, more))


def test_without_an_answer_nothing_is_known():
    """An event between polls has no state, a poll without a timestamp none that is known."""
    seen = observe([(b"/metadata/timestamp.json", 500, VERSION_7)])
    assert find_trust_states(seen) == {1: TrustState((), 0, None)}
    assert find_trust_states(Observation((), (), (), (), None)) == {}
