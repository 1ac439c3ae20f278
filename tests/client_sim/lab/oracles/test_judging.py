"""The judges of a single run return findings with their place; silence is a finding, too."""

from dataclasses import replace

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.grammar import find_violations
from client_sim.lab.oracles.judging import (
    host_line,
    judge_canaries,
    judge_completion,
    judge_egress,
    judge_far_end,
    judge_grammar,
    judge_reads,
)
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.observation import Channel, Departure, Observation, Read
from client_sim.persona import make_persona
from client_sim.world import BuildFacts, Public
from tests.cases import case

OWNER = make_persona(1)


class Silent(ToyClient):
    """Sends nothing in a poll."""

    def poll(self):
        """Send nothing."""
        return "slept"


def test_client_that_sends_nothing_is_found(make_world, public):
    """Each of the four polls is a finding."""
    seen = run_scenario(Silent, make_world(OWNER, b"e", 0.0), IDLE, OWNER)
    assert len(judge_completion(seen, public)) == 4


def test_server_that_answers_nothing_is_found(public):
    """A poll without an answer is incomplete."""
    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=0.0, respond=lambda _: b"")
    seen = run_scenario(ToyClient, world, IDLE, OWNER)
    assert len(judge_completion(seen, public)) == 4
    assert judge_far_end(seen) == ()


def test_host_line_has_the_port_unless_it_is_the_default():
    """FORMATS section 9."""
    for port, tls, value in (
        (80, False, b"a.b"),
        (443, True, b"a.b"),
        (443, False, b"a.b:443"),
        (80, True, b"a.b:80"),
    ):
        with case(port, tls, value):
            build = BuildFacts("", "", 0, 0, "")
            public = Public("a.b", port, tls, "", "", "", b"", b"", 0, build)
            assert host_line(public) == value


HEAD = b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example.org:8080\r\n"
TAIL = b"Accept-Encoding: gzip\r\n\r\n"
TIMESTAMP = HEAD.replace(b"2.root", b"timestamp") + TAIL


def sent(*pieces):
    """Make a run of one poll that sends these pieces on a connection."""
    departures = [Departure(1.0, "poll 1", Channel.CONNECT, 0, b"198.51.100.1 8080 plain")]
    departures += [Departure(1.0, "poll 1", Channel.BYTES, 0, piece) for piece in pieces]
    return Observation(tuple(departures), (), (), (b"",), None)


def test_grammar_does_not_depend_on_pieces(public):
    """Pipelined or split anywhere, a poll is judged by its bytes."""
    for cut in (1, 40, 80, 90, 120):
        with case(cut):
            whole = HEAD + TAIL + TIMESTAMP
            odd = whole.replace(b"timestamp.json HTTP", b"timestamp.json?a HTTP")
            for data in (whole, odd):
                for seen in (sent(data), sent(data[:cut], data[cut:])):
                    found = judge_grammar(seen, public)
                    assert [(f.channel, f.field, f.offset) for f in found] == (
                        [] if data is whole else [("octets", "request 2, method", len(HEAD + TAIL))]
                    )


def test_violation_has_field_and_offset(public):
    """The finding shows the bytes that are not allowed."""
    for data, field, at in (
        (HEAD + b"X-A: 1\r\n" + TAIL, "request 1, header name", b"X-A: 1"),
        (HEAD + TAIL[:-2] + b"X-A: 1\r\n\r\n", "request 1, header name", b"X-A: 1\r\n\r\n"),
        (HEAD.replace(b"Host", b"host") + TAIL, "request 1, header name", b"host: "),
        (HEAD + TAIL + b"imei", "request 1, body", b"imei"),
        (HEAD.replace(b"updates", b"imei") + TAIL, "request 1, header name", b"Host: imei."),
        (b" / HTTP/1.1\r\n\r\n", "", b" /"),
    ):
        with case(data, field, at):
            (found,) = judge_grammar(sent(data), public)
            assert (found.channel, found.field) == ("octets", field)
            assert found.offset == data.index(at)
            assert found.offending().startswith(at)


def departure(channel, data, connection=-1, phase="poll 2"):
    """Return a departure."""
    return Departure(1.0, phase, channel, connection, data)


def test_exact_findings_of_a_crash_and_of_silence(public):
    """They show the exception's name, and the due time of a poll that sent nothing."""
    seen = Observation(
        (departure(Channel.CRASH, b"KeyError"), departure(Channel.SCHEDULE, b"20000.0")),
        (),
        (),
        (),
        None,
    )
    assert judge_completion(seen, public) == (
        Finding(
            "crash, poll 2",
            "the client raised an exception that it should handle",
            *(b"KeyError", 0, 8, None, "crash", "crash"),
        ),
        Finding(
            "next poll, poll 2",
            "the poll sent no request, so there is nothing to judge",
            *(b"20000.0", 0, 7, None, "next poll", "next poll"),
        ),
    )


def test_exact_finding_of_an_incomplete_poll(public):
    """It shows all bytes of the poll's first connection."""
    data = HEAD + TAIL
    seen = Observation(
        (
            departure(Channel.CONNECT, b"198.51.100.1 8080 plain", 0, "poll 1"),
            departure(Channel.CONNECT, b"198.51.100.1 8080 plain", 1),
            departure(Channel.BYTES, data, 1),
            departure(Channel.SCHEDULE, b"20000.0"),
        ),
        *((), (), (b"", b""), None),
    )
    assert judge_completion(seen, public) == (
        Finding(
            "connection 2, poll 2",
            "the poll did not ask for roots until the server had no newer one",
            *(data, 0, len(data), None, "octets", "requests"),
        ),
    )


def test_own_part_of_a_split_latest_is_required(public):
    """The part follows from the phone's public facts."""
    data = b"".join(
        HEAD.replace(b"2.root", name) + TAIL for name in (b"2.root", b"timestamp", b"3.snapshot")
    )
    received = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    for role, version in ((b"snapshot", 3), (b"latest-0", 7)):
        body = b'{"signed":{"meta":{"%s.json":{"version":%d}}}}' % (role, version)
        received += b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    departures = (*sent(data).departures, departure(Channel.SCHEDULE, b"20000.0", phase="poll 1"))
    seen = Observation(departures, (), (), (received,), None)
    (found,) = judge_completion(seen, public)
    assert found.explanation == (
        "the poll ended before /metadata/7.latest-0.json, which the snapshot names"
    )


def test_exact_finding_of_a_violation(public):
    """The explanation begins with the rule."""
    data = HEAD + TAIL + b"imei"
    (violation,) = find_violations(data, b"updates.example.org:8080")
    assert judge_grammar(sent(data), public) == (
        Finding(
            "connection 1, poll 1",
            f"{violation.rule}: {violation.explanation}",
            *(data, len(HEAD + TAIL), 4, None, "octets", "request 1, body"),
        ),
    )


def test_exact_finding_of_a_stray(public):
    """Resolving a name other than the host is a finding."""
    seen = Observation((departure(Channel.DNS, b"imei.example.org"),), (), (), (), None)
    assert judge_egress(seen, public) == (
        Finding(
            "dns question, poll 2",
            "the only name to resolve is updates.example.org",
            *(b"imei.example.org", 0, 16, None, "dns question", "name"),
        ),
    )


def test_exact_findings_of_reads():
    """Each field is found once, in the phase of its first read; the field stands for its value."""
    reads = (Read("poll 1", "imei"), Read("poll 2", "imei"), Read("poll 2", "contacts"))
    assert judge_reads(Observation((), (), reads, (), None)) == tuple(
        Finding(
            *(phase, f"the client read {field}", field.encode(), 0, len(field), None),
            channel="the owner's data",
            field=field,
        )
        for field, phase in (("contacts", "poll 2"), ("imei", "poll 1"))
    )


def test_exact_finding_of_the_far_end():
    """It shows the sent and the received bytes; without sockets there is nothing to compare."""
    seen = Observation(
        (
            departure(Channel.CONNECT, b"198.51.100.1 8080 plain", 0, "poll 1"),
            departure(Channel.BYTES, b"GET /a", 0, "poll 1"),
            departure(Channel.CONNECT, b"198.51.100.1 8080 plain", 1),
            departure(Channel.BYTES, b"GET /b", 1),
        ),
        *((), (), (b"", b""), (b"GET /a", b"GET /c")),
    )
    assert judge_far_end(seen) == (
        Finding(
            "connection 2, poll 2",
            "the server received other bytes than the client sent",
            *(b"GET /b", 0, 6, b"GET /c", "octets", "other end"),
        ),
    )
    assert judge_far_end(replace(seen, far_end=None)) == ()
    with pytest.raises(ValueError, match="shorter"):
        judge_far_end(replace(seen, far_end=(b"GET /a",)))


IMEI = b"001017204862139"
SEARCH = CanarySearch({"imei": (IMEI,)}, layers=1)


def test_exact_findings_of_a_planted_value():
    """Names, targets and TLS parameters are searched."""
    for channel, data, offset, field in (
        (Channel.DNS, IMEI + b".example", 0, "dns question"),
        (Channel.CONNECT, b"198.51.100.1 80 " + IMEI, 16, "connect target"),
        (Channel.TLS, b"name " + IMEI, 5, "tls parameters"),
    ):
        with case(channel, data, offset, field):
            seen = Observation((departure(channel, data),), (), (), (), None)
            assert judge_canaries(seen, SEARCH) == (
                Finding(
                    f"{channel.value}, poll 2",
                    "imei as it is: 001017204862139",
                    *(data, offset, 15, None, channel.value, field),
                ),
            )


def test_exact_finding_of_an_encoded_value():
    """Both encoding steps are named; sizes, due times and crashes are not searched."""
    data = HEAD + b"X-A: " + IMEI[::-1].hex().encode() + b"\r\n" + TAIL
    seen = sent(data)
    more = (
        departure(Channel.SIZES, IMEI),
        departure(Channel.SCHEDULE, IMEI),
        departure(Channel.CRASH, IMEI),
    )
    seen = replace(seen, departures=(*seen.departures, *more))
    search = CanarySearch({"imei": (IMEI,)})
    assert judge_canaries(seen, search) == (
        Finding(
            "connection 1, poll 1",
            "imei as reversed → base16: 001017204862139",
            *(
                data,
                data.index(b"X-A: ") + 5,
                30,
                None,
                "octets",
                "request 1, header X-A value",
            ),
        ),
    )


def test_exact_finding_of_a_split_value():
    """The finding shows the joined text and the places of its pieces."""
    seen = Observation(
        (
            departure(Channel.DNS, IMEI[:7] + b".example"),
            departure(Channel.DNS, IMEI[7:] + b".example"),
        ),
        *((), (), (), None),
    )
    assert judge_canaries(seen, SEARCH) == (
        Finding(
            "first labels of names",
            "imei as it is: 001017204862139",
            *(IMEI, 0, 15, None, "dns question", "first labels of names"),
        ),
    )
    data = b"GET /a HTTP/1.1\r\nX-A: %b\r\nX-B: %b\r\n\r\n" % (IMEI[:7], IMEI[7:])
    (found, *_) = judge_canaries(sent(data), SEARCH)
    assert (found.channel, found.field) == ("octets", found.where)
    assert found.data != data
