"""Silence proves nothing: a poll that sent nothing or got nothing is a finding."""

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


def test_the_port_is_written_only_where_it_is_unusual():
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
    """Make a poll of one connection on which these pieces were sent."""
    left = [Departure(1.0, "poll 1", Channel.CONNECT, 0, b"198.51.100.1 8080 plain")]
    left += [Departure(1.0, "poll 1", Channel.BYTES, 0, piece) for piece in pieces]
    return Observation(tuple(left), (), (), (b"",), None)


def test_requests_in_one_packet_or_in_pieces_are_the_same_bytes(public):
    """Pipelined or cut anywhere, an honest poll obeys the grammar, and another names its place."""
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


def test_a_violation_names_field_and_offset(public):
    """And where its bytes stand."""
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


def test_a_look_at_the_owner_names_the_field():
    """Each once, at its first phase."""
    reads = (Read("poll 1", "imei"), Read("poll 2", "imei"), Read("poll 2", "contacts"))
    found = judge_reads(Observation((), (), reads, (), None))
    assert [(f.where, f.field, f.explanation) for f in found] == [
        ("poll 2", "contacts", "the client read contacts"),
        ("poll 1", "imei", "the client read imei"),
    ]


def left(channel, data, connection=-1, phase="poll 2"):
    """Let something leave."""
    return Departure(1.0, phase, channel, connection, data)


def test_a_crash_and_a_poll_without_a_connection_name_what_left(public):
    """Word for word: the exception's name, and the due time behind a poll that sent nothing."""
    seen = Observation(
        (left(Channel.CRASH, b"KeyError"), left(Channel.SCHEDULE, b"20000.0")), (), (), (), None
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


def test_a_poll_that_is_not_whole_names_what_was_sent(public):
    """Word for word: all bytes of its first connection."""
    data = HEAD + TAIL
    seen = Observation(
        (
            left(Channel.CONNECT, b"198.51.100.1 8080 plain", 0, "poll 1"),
            left(Channel.CONNECT, b"198.51.100.1 8080 plain", 1),
            left(Channel.BYTES, data, 1),
            left(Channel.SCHEDULE, b"20000.0"),
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


def test_the_own_part_of_a_split_latest_is_called_for(public):
    """Which needs the phone's public facts: of one part it is the first."""
    data = b"".join(
        HEAD.replace(b"2.root", name) + TAIL for name in (b"2.root", b"timestamp", b"3.snapshot")
    )
    received = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    for role, version in ((b"snapshot", 3), (b"latest-0", 7)):
        body = b'{"signed":{"meta":{"%s.json":{"version":%d}}}}' % (role, version)
        received += b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    departures = (*sent(data).departures, left(Channel.SCHEDULE, b"20000.0", phase="poll 1"))
    seen = Observation(departures, (), (), (received,), None)
    (found,) = judge_completion(seen, public)
    assert found.explanation == (
        "the poll ended before /metadata/7.latest-0.json, which the snapshot names"
    )


def test_a_violation_is_told_word_for_word(public):
    """The rule, what is wrong, where, how many bytes."""
    data = HEAD + TAIL + b"imei"
    (violation,) = find_violations(data, b"updates.example.org:8080")
    assert judge_grammar(sent(data), public) == (
        Finding(
            "connection 1, poll 1",
            f"{violation.rule}: {violation.explanation}",
            *(data, len(HEAD + TAIL), 4, None, "octets", "request 1, body"),
        ),
    )


def test_a_stray_is_told_word_for_word(public):
    """Another name; the host's own, once per connection, is none."""
    seen = Observation((left(Channel.DNS, b"imei.example.org"),), (), (), (), None)
    assert judge_egress(seen, public) == (
        Finding(
            "dns question, poll 2",
            "the only name to ask for is updates.example.org",
            *(b"imei.example.org", 0, 16, None, "dns question", "name"),
        ),
    )


def test_a_look_is_told_word_for_word():
    """The field stands for its value, which nobody recorded."""
    seen = Observation((), (), (Read("poll 1", "imei"),), (), None)
    assert judge_reads(seen) == (
        Finding(
            *("poll 1", "the client read imei", b"imei", 0, 4, None),
            channel="the owner's data",
            field="imei",
        ),
    )


def test_what_the_other_end_received_is_compared():
    """Each connection with its own: both sides of the one that differs; without sockets nothing."""
    seen = Observation(
        (
            left(Channel.CONNECT, b"198.51.100.1 8080 plain", 0, "poll 1"),
            left(Channel.BYTES, b"GET /a", 0, "poll 1"),
            left(Channel.CONNECT, b"198.51.100.1 8080 plain", 1),
            left(Channel.BYTES, b"GET /b", 1),
        ),
        *((), (), (b"", b""), (b"GET /a", b"GET /c")),
    )
    assert judge_far_end(seen) == (
        Finding(
            "connection 2, poll 2",
            "the other end of the socket received something else",
            *(b"GET /b", 0, 6, b"GET /c", "octets", "other end"),
        ),
    )
    assert judge_far_end(replace(seen, far_end=None)) == ()
    with pytest.raises(ValueError, match="shorter"):
        judge_far_end(replace(seen, far_end=(b"GET /a",)))


IMEI = b"001017204862139"
SEARCH = CanarySearch({"imei": (IMEI,)}, layers=1)


def test_a_planted_value_is_told_word_for_word():
    """By each way out that has bytes of its own."""
    for channel, data, offset, field in (
        (Channel.DNS, IMEI + b".example", 0, "dns question"),
        (Channel.CONNECT, b"198.51.100.1 80 " + IMEI, 16, "connect target"),
        (Channel.TLS, b"name " + IMEI, 5, "tls parameters"),
    ):
        with case(channel, data, offset, field):
            seen = Observation((left(channel, data),), (), (), (), None)
            assert judge_canaries(seen, SEARCH) == (
                Finding(
                    f"{channel.value}, poll 2",
                    "imei as it is: 001017204862139",
                    *(data, offset, 15, None, channel.value, field),
                ),
            )


def test_a_planted_value_in_a_request_is_told_word_for_word():
    """With its dress, both steps of it; a size or a due time is no place to look at."""
    data = HEAD + b"X-A: " + IMEI[::-1].hex().encode() + b"\r\n" + TAIL
    seen = sent(data)
    more = (left(Channel.SIZES, IMEI), left(Channel.SCHEDULE, IMEI), left(Channel.CRASH, IMEI))
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


def test_a_value_in_halves_is_told_word_for_word():
    """The text that was put together, where its pieces stand, and how they left."""
    seen = Observation(
        (left(Channel.DNS, IMEI[:7] + b".example"), left(Channel.DNS, IMEI[7:] + b".example")),
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
