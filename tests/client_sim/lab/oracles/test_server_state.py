"""A value that a server sent and the client sends back is found and named."""

import base64

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.server_state import judge_server_state
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.observation import RESET, Channel, Departure, Observation
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)


def keeping(wanted, **changes):
    """Make a client that stores a header of the last answer, with methods that use it."""

    class Keeps(ToyClient):
        def answered(self, head):
            for line in head.split("\r\n"):
                name, _, value = line.partition(": ")
                if name.lower() == wanted:
                    self.world.state["kept"] = value.encode()

        @property
        def kept(self):
            return self.world.state.get("kept", b"").decode()

    for name, change in changes.items():
        setattr(Keeps, name, change)
    return Keeps


def returning(wanted, form, encode):
    """Make a client that sends the encoded value back in a header."""

    def headers(client):
        own = (form.format(encode(client.kept)),) if client.kept else ()
        return (*ToyClient.headers(client), *own)

    return keeping(wanted, headers=headers)


def resolve_it(client):
    """Resolve the name that the server sent, and poll."""
    if client.kept:
        client.world.resolve(client.kept.split('"')[1].split(":")[0])
    return ToyClient.poll(client)


def to_base64(text):
    """Encode text in base64."""
    return base64.b64encode(text.encode()).decode()


def serve(header):
    """Answer every request with 404 and this header."""
    answer = b"HTTP/1.1 404 Not Found\r\n%s\r\nContent-Length: 0\r\n\r\n" % header
    return lambda asked: answer * asked.data.count(b"\r\n\r\n")


def judge(factory, public, one, other):
    """Compare the runs of one phone with two servers."""
    seen = []
    for header in (one, other):
        world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=1e9, respond=serve(header))
        seen.append(run_scenario(factory, world, IDLE, OWNER))
    return judge_server_state(*seen)


PAIRS = {
    "etag": (b'ETag: "aaaa1111"', b'ETag: "bbbb2222"'),
    "retry": (b"Retry-After: 15000", b"Retry-After: 16000"),
    "upper": (b"X-Token: AAAA1111", b"X-Token: BBBB2222"),
    "moved": (b'Alt-Svc: h2="a.example:443"', b'Alt-Svc: h2="b.example:443"'),
}


def test_client_without_memory_is_clean(public):
    """The client ignores headers of the answers."""
    for name, pair in PAIRS.items():
        with case(name):
            assert judge(ToyClient, public, *pair) == ()


def test_returned_value_is_named(public):
    """The finding names the header, the value, and the field that returns it."""
    for factory, pair, field, words in (
        (
            returning("etag", "If-None-Match: {}", str),
            *("etag", "header If-None-Match value", "'bbbb2222' of ETag came back"),
        ),
        (
            returning("etag", "X-A: {}", lambda kept: to_base64(kept.strip('"'))),
            *("etag", "header X-A value", "'bbbb2222' of ETag came back in base64"),
        ),
        (
            returning("x-token", "X-A: {}", str.lower),
            *("upper", "header X-A value", "'BBBB2222' of X-Token came back in lower case"),
        ),
        (
            returning("x-token", "X-A: {}", lambda kept: kept.encode().hex()),
            *("upper", "header X-A value", "'BBBB2222' of X-Token came back in base16"),
        ),
        (
            returning("x-token", "X-A: {}", lambda kept: to_base64(kept).rstrip("=") + "AAAA"),
            *("upper", "header X-A value", "'BBBB2222' of X-Token came back in base64"),
        ),
        (
            keeping("retry-after", next_poll=lambda self, now: now + int(self.kept)),
            *("retry", "due time", "'16000' of Retry-After came back"),
        ),
        (
            keeping("retry-after", next_poll=lambda self, now: now + 14_400 + int(self.kept)),
            *("retry", "due time", "'16000' of Retry-After came back"),
        ),
        (
            keeping("alt-svc", poll=resolve_it),
            *("moved", "name", "'b.example' of Alt-Svc came back"),
        ),
    ):
        with case(factory, pair, field, words):
            found = judge(factory, public, *PAIRS[pair])
            assert found
            assert all(f.field.endswith(field) for f in found)
            assert all(f.explanation.endswith(f": {words}") for f in found)


def test_resumed_session_is_found():
    """TLS parameters are compared, although they do not show the server's value."""
    seen = [
        Observation(
            (
                Departure(1.0, "poll 1", Channel.CONNECT, 0, b"192.0.2.1 443 h.example"),
                Departure(1.0, "poll 1", Channel.TLS, 0, b"name h.example\nresumes " + resumes),
            ),
            *((), (), (b"",), None),
        )
        for resumes in (b"no", b"yes")
    ]
    (found,) = judge_server_state(*seen)
    assert (found.channel, found.field) == ("tls parameters", "resumes")
    assert "came back" not in found.explanation


def run_of(due=b"20000.0", received=b"", sent=b"", second=b"9000.0"):
    """Make a run of two polls."""
    departures = (
        Departure(1.0, "poll 1", Channel.CONNECT, 0, b"a 80 plain"),
        Departure(1.0, "poll 1", Channel.BYTES, 0, sent),
        Departure(1.0, "poll 1", Channel.SCHEDULE, -1, due),
        Departure(1.0, "poll 2", Channel.SCHEDULE, -1, second),
    )
    return Observation(departures, (), (), (received,), None)


def test_returned_number_is_named():
    """It can be the interval, the due time, or be added to the shortest interval."""
    for due, said, words in (
        (b"4001.0", b"A: 4000", ": '4000' of A came back"),
        (b"18401.0", b"A: 4000", ": '4000' of A came back"),
        (b"7777.0", b"A: 7777", ": '7777' of A came back"),
        (b"17001.0", b"A: 4000", ""),
        (b"18402.0", b"A: 4000", ""),
        (b"7001.0", b"A: 9000", ""),
        (b"4001.0", b'{"a": "4000"}', ": '4000' of body came back"),
        (b"25.0", b"A: 24", ": '24' of A came back"),
        (b"4.0", b"A: 3", ""),
        (b"4001.0", b"A: b: 4000", ": '4000' of A came back"),
        (b"4001.0", b"A b: 4000", ": '4000' of body came back"),
    ):
        with case(due, said, words):
            one, other = run_of(received=b"x: 1\r\n"), run_of(due=due, received=said)
            (found,) = judge_server_state(one, other)
            head, place, tail = found.explanation.partition(" in due time")
            assert head.startswith("a phone of another server differs from byte ")
            assert place
            assert tail == words


def test_longest_returned_value_is_named():
    """Four encodings are recognized; a value of one byte is not."""
    for sent, said, words in (
        (b"abcd1234", b"A: abcd1234; b", ": 'abcd1234' of A came back"),
        (b"ABCD1234", b"A: ABCD1234\r\nB: BCD123", ": 'ABCD1234' of A came back"),
        (b"4142 and more", b"A: AB", ": 'AB' of A came back in base16"),
        (b"QQ", b"A: A", ""),
        (b"QUFBQQ!", b"A: AAAA", ": 'AAAA' of A came back in base64"),
        (b"none of it", b"A: AAAA", ""),
        (b"Xab1X", b'A: "Xab1X"', ": 'Xab1X' of A came back"),
        (b"QUJX", b"A: ABW", ": 'ABW' of A came back in base64"),
        (b"QUJ9", b"A: ABW", ""),
        (b"\xe9\xe8", b"A: \xe9\xe8", ": '\xe9\xe8' of A came back"),
    ):
        with case(sent, said, words):
            one, other = run_of(received=b"x: 1\r\n"), run_of(received=said, sent=sent)
            (found,) = judge_server_state(one, other)
            assert found.explanation.partition(" on, in ")[2].partition(":")[2] == words[1:]


def test_value_of_both_servers_is_not_named():
    """Content is the same on both servers and may be requested."""
    one, other = run_of(received=b"A: same17"), run_of(received=b"A: same17", sent=b"same17")
    (found,) = judge_server_state(one, other)
    assert "came back" not in found.explanation
    (found,) = judge_server_state(run_of(sent=b"same17"), run_of(received=b"A: same17"))
    assert "came back" not in found.explanation


def test_reset_is_not_compared():
    """It depends on how much the server sends; bytes after it are compared."""

    def run(close, *more):
        left = [
            (Channel.CONNECT, 0, b"198.51.100.1 80 plain"),
            (Channel.BYTES, 0, b"GET"),
            (Channel.CLOSE, 0, close),
            *more,
        ]
        departures = tuple(Departure(1.0, "poll 1", *each) for each in left)
        return Observation(departures, (), (), (b"",), None)

    assert judge_server_state(run(b""), run(RESET)) == ()
    assert judge_server_state(run(b""), run(RESET, (Channel.DNS, -1, b"a.example"))) != ()
