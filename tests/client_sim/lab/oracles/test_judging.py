"""Silence proves nothing: a poll that sent nothing or got nothing is a finding."""

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.judging import (
    host_line,
    judge_completion,
    judge_far_end,
    judge_grammar,
    judge_reads,
)
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.lab.trace.observation import Channel, Departure, Observation, Read
from client_sim.persona import make_persona
from client_sim.world import Public, RunningBuild

OWNER = make_persona(1)


class Silent(ToyClient):
    """Polls nothing."""

    def poll(self):
        """Send nothing."""
        return "slept"


def test_a_client_that_sends_nothing_is_not_clean(make_world, public):
    """Each of the four polls is a finding."""
    seen = run_scenario(Silent, make_world(OWNER, b"e", 0.0), IDLE, OWNER)
    assert len(judge_completion(seen, public)) == 4


def test_a_server_that_answers_nothing_gives_no_clean_verdict(public):
    """A poll without an answer was not a whole one."""
    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=0.0, respond=lambda _: b"")
    seen = run_scenario(ToyClient, world, IDLE, OWNER)
    assert len(judge_completion(seen, public)) == 4
    assert judge_far_end(seen) == ()


@pytest.mark.parametrize(
    ("port", "tls", "value"),
    [(80, False, b"a.b"), (443, True, b"a.b"), (443, False, b"a.b:443"), (80, True, b"a.b:80")],
)
def test_the_port_is_written_only_where_it_is_unusual(port, tls, value):
    """FORMATS section 9."""
    build = RunningBuild("", "", 0, 0, "")
    public = Public("a.b", port, tls, "", "", "", b"", b"", 0, build)
    assert host_line(public) == value


HEAD = b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example.org:8080\r\n"
TAIL = b"Accept-Encoding: gzip\r\n\r\n"
TIMESTAMP = HEAD.replace(b"2.root", b"timestamp") + TAIL


def sent(*pieces):
    """Make a poll of one connection on which these pieces were sent."""
    left = [Departure(1.0, "poll 1", Channel.CONNECT, 0, b"198.51.100.1 8080 plain")]
    left += [Departure(1.0, "poll 1", Channel.OCTETS, 0, piece) for piece in pieces]
    return Observation(tuple(left), (), (), (b"",), None)


@pytest.mark.parametrize("cut", [1, 40, 80, 90, 120])
def test_requests_in_one_packet_or_in_pieces_are_the_same_octets(cut, public):
    """Pipelined or cut anywhere, an honest poll obeys the grammar, and another names its place."""
    whole = HEAD + TAIL + TIMESTAMP
    odd = whole.replace(b"timestamp.json HTTP", b"timestamp.json?a HTTP")
    for octets in (whole, odd):
        for seen in (sent(octets), sent(octets[:cut], octets[cut:])):
            found = judge_grammar(seen, public)
            assert [(f.channel, f.field, f.offset) for f in found] == (
                [] if octets is whole else [("octets", "request 2, method", len(HEAD + TAIL))]
            )


@pytest.mark.parametrize(
    ("octets", "field", "at"),
    [
        (HEAD + b"X-A: 1\r\n" + TAIL, "request 1, header name", b"X-A: 1"),
        (HEAD + TAIL[:-2] + b"X-A: 1\r\n\r\n", "request 1, header name", b"X-A: 1\r\n\r\n"),
        (HEAD.replace(b"Host", b"host") + TAIL, "request 1, header name", b"host: "),
        (HEAD + TAIL + b"imei", "request 1, body", b"imei"),
    ],
)
def test_a_violation_names_field_and_offset(octets, field, at, public):
    """And where its octets stand."""
    (found,) = judge_grammar(sent(octets), public)
    assert (found.channel, found.field) == ("octets", field)
    assert found.offset == octets.index(at)
    assert found.offending().startswith(at)


def test_a_look_at_the_owner_names_the_field():
    """Each once, at its first phase."""
    reads = (Read("poll 1", "imei"), Read("poll 2", "imei"), Read("poll 2", "contacts"))
    found = judge_reads(Observation((), (), reads, (), None))
    assert [(f.where, f.field, f.explanation) for f in found] == [
        ("poll 2", "contacts", "the client read contacts"),
        ("poll 1", "imei", "the client read imei"),
    ]
