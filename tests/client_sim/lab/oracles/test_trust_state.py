"""Trust states follow from answers, and different polls in the same state are found."""

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


def test_trust_state_of_answers():
    """Role versions are held from the next poll on."""
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


def test_additional_requests_do_not_change_the_state():
    """A phone that requests more is still compared with the others."""
    usual = [(b"/metadata/timestamp.json", 200, VERSION_7)]
    more = [*usual, (b"/metadata/8.armani.json", 200, {}), (b"/id/17", 200, {})]
    assert find_trust_states(observe(usual, usual)) == find_trust_states(observe(more, more))


def test_trust_state_without_an_answer():
    """A poll without a timestamp has no known snapshot; a run without polls has no states."""
    seen = observe([(b"/metadata/timestamp.json", 500, VERSION_7)])
    assert find_trust_states(seen) == {1: TrustState((), 0, None)}
    assert find_trust_states(Observation((), (), (), (), None)) == {}


OWNER = make_persona(1)


class Counter(ToyClient):
    """Sends the number of its polls."""

    def headers(self):
        """Add the counter."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        return (*super().headers(), f"X-N: {len(self.world.state['n']) // 3}")


class Drip(ToyClient):
    """Requests the root of the next digit of the IMEI."""

    def paths(self):
        """Use one digit in each poll."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        digit = OWNER.imei[len(self.world.state["n"])]
        return (f"/metadata/{digit}.root.json", *super().paths()[1:])


class SecondName(ToyClient):
    """Resolves a second name in its fourth poll."""

    def poll(self):
        """Resolve the name first."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        if len(self.world.state["n"]) == 4:
            self.world.resolve("stats.example")
        return super().poll()


class OtherAddress(ToyClient):
    """Uses the server's second address from its fourth poll on."""

    def open(self):
        """Choose the address."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        addresses = self.world.resolve(self.host())
        chosen = addresses[len(self.world.state["n"]) > 3]
        return self.world.connect(chosen, self.port(), self.server_name())


class OneMore(ToyClient):
    """Polls twice in its fourth poll."""

    def poll(self):
        """Poll twice."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        if len(self.world.state["n"]) == 4:
            super().poll()
        return super().poll()


def judge(factory, public):
    """Run four polls against a server that publishes nothing."""
    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=1e9, respond=respond)
    return judge_stationarity(run_scenario(factory, world, IDLE, OWNER))


def test_equal_polls_are_clean(public):
    """Four equal polls have no finding."""
    assert judge(ToyClient, public) == ()


def test_changed_poll_is_found(public):
    """The finding has channel, field, poll and both values."""
    for factory, channel, field, polls in (
        (Counter, "octets", "header X-N value", {"poll 2", "poll 3", "poll 4"}),
        (Drip, "octets", "path", None),
        (SecondName, "dns question", "names", {"poll 4"}),
        (OneMore, "dns question", "names", {"poll 4"}),
        (OtherAddress, "connect target", "address", {"poll 4"}),
    ):
        with case(factory, channel, field, polls):
            found = judge(factory, public)
            assert {(f.channel, f.field) for f in found} == {(channel, field)}
            assert polls is None or {f.where.split(",")[0] for f in found} == polls
            assert all(f.data != f.other for f in found)


def polls(*sent):
    """Make polls that send these byte strings, each on its own connection."""
    departures = []
    for number, data in enumerate(sent):
        phase = f"poll {number + 1}"
        departures.append(Departure(1.0, phase, Channel.CONNECT, number, b"a 80 plain"))
        departures.append(Departure(1.0, phase, Channel.BYTES, number, data))
    return Observation(tuple(departures), (), (), (b"",) * len(sent), None)


HEAD = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
WORDS = "the value differs from that in poll 1 of the same phone in the same public trust state"


def test_exact_finding():
    """The finding shows both values."""
    for second, name, data, other in (
        (HEAD.replace(b"/a", b"/b"), "path", b"/b", b"/a"),
        (HEAD.replace(b": h", b": i"), "header Host value", b"i", b"h"),
    ):
        with case(second, name, data, other):
            assert judge_stationarity(polls(HEAD, HEAD, second)) == (
                Finding(
                    "poll 3, connection 1, request 1",
                    *(f"{name}: {WORDS}", data, 0, len(data), other, "octets", name),
                ),
            )


def test_first_differing_field_is_named():
    """An additional body first changes the pieces."""
    for first, second in ((HEAD, HEAD + b"x"), (HEAD + b"x", HEAD)):
        (found,) = judge_stationarity(polls(first, second))
        assert (found.where, found.channel, found.field) == (
            *("poll 2, connection 1", "octets", "pieces"),
        )
        assert (found.data, found.other) == (b"%d" % len(second), b"%d" % len(first))
        assert (found.offset, found.length) == (0, 2)


def test_shorter_path_with_a_longer_body():
    """The pieces are the same, so the path is the first difference."""
    found = judge_stationarity(polls(HEAD + b"x", HEAD.replace(b"/a", b"/") + b"yz"))
    assert [(f.field, f.data, f.other) for f in found] == [("path", b"/", b"/a")]


def test_body_after_a_picture_request():
    """Pieces of a picture's connection are not compared, so the body is the first difference."""
    head = HEAD.replace(b"/a", b"/targets/content/wallpapers/" + b"0" * 64 + b".dawn.jpg")
    for first, second in ((b"", b"x"), (b"x", b"")):
        (found,) = judge_stationarity(polls(head + first, head + second))
        assert (found.where, found.field) == ("poll 2, picture", "body")
        assert (found.data, found.other, found.length) == (second, first, len(second))


def test_poll_with_a_new_snapshot_is_not_compared():
    """It requests a snapshot that the previous poll did not learn of."""
    head = b"GET /metadata/%s.json HTTP/1.1\r\nHost: h\r\n\r\n"
    body = b'{"signed":{"meta":{"snapshot.json":{"version":7}}}}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    quiet, busy = head % b"timestamp", head % b"timestamp" + head % b"7.snapshot"
    seen = replace(polls(quiet, busy, quiet, busy), received=(b"", answer, b"", answer))
    assert judge_stationarity(seen) == ()
    seen = replace(polls(quiet, busy, busy, busy), received=(b"", answer, b"", answer))
    assert [f.where for f in judge_stationarity(seen)] == ["poll 3, connection 1"]
