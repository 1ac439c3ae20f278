"""What a server hands out and gets back is found, and named."""

import base64

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.server_state import judge_server_state
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.persona import make_persona

OWNER = make_persona(1)


class Keeps(ToyClient):
    """Keeps a header of the last answer."""

    wanted = "etag"

    def answered(self, head):
        """Look for the header."""
        for line in head.split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == self.wanted:
                self.world.state["kept"] = value.encode()

    @property
    def kept(self):
        """Give the value, or nothing."""
        return self.world.state.get("kept", b"").decode()


class Validates(Keeps):
    """Sends an ETag back."""

    def headers(self):
        """Ask whether it is still true."""
        return (*super().headers(), *([f"If-None-Match: {self.kept}"] if self.kept else []))


class HidesIt(Keeps):
    """Sends an ETag back in base64."""

    def headers(self):
        """Dress it."""
        dressed = base64.b64encode(self.kept.strip('"').encode()).decode()
        return (*super().headers(), *([f"X-A: {dressed}"] if self.kept else []))


class Waits(Keeps):
    """Waits as long as the server says."""

    wanted = "retry-after"

    def next_poll(self, now):
        """Use the server's number."""
        return now + int(self.kept)


class Moves(Keeps):
    """Goes where it is sent."""

    wanted = "alt-svc"

    def poll(self):
        """Ask for the other name."""
        if self.kept:
            self.world.resolve(self.kept.split('"')[1].split(":")[0])
        return super().poll()


def serve(header):
    """Answer everything with 404 and one header."""
    answer = b"HTTP/1.1 404 Not Found\r\n%s\r\nContent-Length: 0\r\n\r\n" % header
    return lambda asked: answer * asked.octets.count(b"\r\n\r\n")


def judge(factory, public, one, other):
    """Let the same phone meet two servers."""
    seen = []
    for header in (one, other):
        world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=1e9, respond=serve(header))
        seen.append(run_scenario(factory, world, IDLE, OWNER))
    return judge_server_state(*seen)


PAIRS = {
    "etag": (b'ETag: "aaaa1111"', b'ETag: "bbbb2222"'),
    "retry": (b"Retry-After: 15000", b"Retry-After: 16000"),
    "moved": (b'Alt-Svc: h2="a.example:443"', b'Alt-Svc: h2="b.example:443"'),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_who_takes_no_notice_is_clean(pair, public):
    """Whatever is handed out."""
    assert judge(ToyClient, public, *PAIRS[pair]) == ()


@pytest.mark.parametrize(
    ("factory", "pair", "field", "words"),
    [
        (Validates, "etag", "header If-None-Match value", "'bbbb2222' of ETag came back"),
        (HidesIt, "etag", "header X-A value", "'bbbb2222' of ETag came back in base64"),
        (Waits, "retry", "due time", "'16000' of Retry-After came back"),
        (Moves, "moved", "name", "'b.example' of Alt-Svc came back"),
    ],
)
def test_what_comes_back_is_named(factory, pair, field, words, public):
    """The header that handed it out, the value, and the field in which it stands."""
    found = judge(factory, public, *PAIRS[pair])
    assert found
    assert all(f.field.endswith(field) for f in found)
    assert all(words in f.explanation for f in found)


def test_a_resumed_session_is_found():
    """TLS parameters are compared; what was handed out is not to be seen there."""
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
