"""What a phone held and what the server had; a phone that asks otherwise in one state is found."""

import json
from dataclasses import replace

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.trust_state import TrustState, find_trust_states, judge_stationarity
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.persona import make_persona
from tests.cases import case

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


OWNER = make_persona(1)


class Counter(ToyClient):
    """Says how often it has polled."""

    def headers(self):
        """Count in a header."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        return (*super().headers(), f"X-N: {len(self.world.state['n']) // 3}")


class Drip(ToyClient):
    """Asks for the root that the next digit of the serial number says."""

    def paths(self):
        """Take one digit per poll."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        digit = OWNER.imei[len(self.world.state["n"])]
        return (f"/metadata/{digit}.root.json", *super().paths()[1:])


class LateGuest(ToyClient):
    """Asks for a second name in its fourth poll."""

    def poll(self):
        """Ask in between."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        if len(self.world.state["n"]) == 4:
            self.world.resolve("stats.example")
        return super().poll()


class OtherAddress(ToyClient):
    """Takes the server's second address from its fourth poll on."""

    def open(self):
        """Choose."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        addresses = self.world.resolve(self.host())
        chosen = addresses[len(self.world.state["n"]) > 3]
        return self.world.connect(chosen, self.port(), self.server_name())


class OneMore(ToyClient):
    """Asks once more in its last poll."""

    def poll(self):
        """Poll twice."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        if len(self.world.state["n"]) == 4:
            super().poll()
        return super().poll()


def judge(factory, public):
    """Run four polls in a quiet world."""
    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=1e9, respond=respond)
    return judge_stationarity(run_scenario(factory, world, IDLE, OWNER))


def test_a_phone_that_repeats_itself_is_clean(public):
    """Four equal polls."""
    assert judge(ToyClient, public) == ()


def test_what_changes_is_named(public):
    """Channel, field, poll, and both values."""
    for factory, channel, field, polls in (
        (Counter, "octets", "header X-N value", {"poll 2", "poll 3", "poll 4"}),
        (Drip, "octets", "path", None),
        (LateGuest, "dns question", "names", {"poll 4"}),
        (OneMore, "dns question", "names", {"poll 4"}),
        (OtherAddress, "connect target", "address", {"poll 4"}),
    ):
        with case(factory, channel, field, polls):
            found = judge(factory, public)
            assert {(f.channel, f.field) for f in found} == {(channel, field)}
            assert polls is None or {f.where.split(",")[0] for f in found} == polls
            assert all(f.data != f.other for f in found)


def polls(*sent):
    """Make polls, each of which sends these bytes on a connection of its own, or asks a name."""
    departures = []
    for number, data in enumerate(sent):
        phase = f"poll {number + 1}"
        departures.append(Departure(1.0, phase, Channel.CONNECT, number, b"a 80 plain"))
        departures.append(Departure(1.0, phase, Channel.BYTES, number, data))
    return Observation(tuple(departures), (), (), (b"",) * len(sent), None)


HEAD = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
WORDS = "is not what poll 1 of the same phone showed in the same public trust state"


def test_a_finding_has_both_values():
    """Word for word."""
    for second, name, data, other in (
        (HEAD.replace(b"/a", b"/b"), "path", b"/b", b"/a"),
        (HEAD.replace(b": h", b": i"), "header Host value", b"i", b"h"),
    ):
        with case(second, name, data, other):
            assert judge_stationarity(polls(HEAD, HEAD, second)) == (
                Finding(
                    "poll 3, connection 1, request 1",
                    *(f"{name} {WORDS}", data, 0, len(data), other, "octets", name),
                ),
            )


def test_a_body_more_shows_in_what_is_sent_at_once():
    """The first field that differs is the one that is named."""
    for first, second in ((HEAD, HEAD + b"x"), (HEAD + b"x", HEAD)):
        (found,) = judge_stationarity(polls(first, second))
        assert (found.where, found.channel, found.field) == (
            *("poll 2, connection 1", "octets", "pieces"),
        )
        assert (found.data, found.other) == (b"%d" % len(second), b"%d" % len(first))
        assert (found.offset, found.length) == (0, 2)


def test_a_field_at_the_end_is_shown_by_the_side_that_has_it():
    """With the same number of bytes sent at once: a body for a longer path."""
    found = judge_stationarity(polls(HEAD + b"x", HEAD.replace(b"/a", b"/") + b"yz"))
    assert [(f.field, f.data, f.other) for f in found] == [("path", b"/", b"/a")]


def test_a_body_more_of_what_the_owner_chose_is_shown_by_the_side_that_has_it():
    """How a picture is cut into pieces says nothing, so that the body is the first difference."""
    head = HEAD.replace(b"/a", b"/targets/content/wallpapers/" + b"0" * 64 + b".dawn.jpg")
    for first, second in ((b"", b"x"), (b"x", b"")):
        (found,) = judge_stationarity(polls(head + first, head + second))
        assert (found.where, found.field) == ("poll 2, picture", "body")
        assert (found.data, found.other, found.length) == (second, first, len(second))


def test_a_poll_in_which_something_was_new_is_no_repetition():
    """It asks for a snapshot that the one before was not told of."""
    head = b"GET /metadata/%s.json HTTP/1.1\r\nHost: h\r\n\r\n"
    body = b'{"signed":{"meta":{"snapshot.json":{"version":7}}}}'
    told = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    quiet, busy = head % b"timestamp", head % b"timestamp" + head % b"7.snapshot"
    seen = replace(polls(quiet, busy, quiet, busy), received=(b"", told, b"", told))
    assert judge_stationarity(seen) == ()
    seen = replace(polls(quiet, busy, busy, busy), received=(b"", told, b"", told))
    assert [f.where for f in judge_stationarity(seen)] == ["poll 3, connection 1"]
