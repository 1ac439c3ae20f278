"""What a client does past its world is noted, and fails."""

import os
import socket
import subprocess
from contextlib import suppress
from threading import Thread

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.judging import judge_egress
from client_sim.lab.scenarios.driving import POLL, Scenario, run_scenario
from client_sim.lab.trace.detours import watch_detours
from client_sim.lab.trace.observation import Channel
from client_sim.persona import make_persona

OWNER = make_persona(3)
DISCARD = ("127.0.0.1", 9)


def send_datagram():
    """Send to the port of this machine that throws away."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"x", DISCARD)


def connect():
    """Connect to the same."""
    with socket.socket() as out:
        out.connect(DISCARD)


@pytest.mark.parametrize(
    ("attempt", "noted"),
    [
        (send_datagram, b"socket.sendto ('127.0.0.1', 9)"),
        (connect, b"socket.connect ('127.0.0.1', 9)"),
        (lambda: socket.getaddrinfo("serial.invalid", 80), b"socket.getaddrinfo serial.invalid"),
        (lambda: socket.gethostbyname("serial.invalid"), b"socket.gethostbyname serial.invalid"),
        (lambda: subprocess.run(["true"], check=True), b"subprocess.Popen true"),
        (lambda: os.system("true"), b"os.system true"),
    ],
)
def test_each_way_out_is_noted_and_shut(attempt, noted):
    """The target is named; whoever tries is told that it does not work."""
    seen = []
    with watch_detours(seen.append), pytest.raises(OSError, match="has its world alone"):
        attempt()
    assert seen == [noted]


def test_threads_are_watched():
    """A client may not send its datagrams from a thread either."""
    seen = []

    def quietly():
        try:
            send_datagram()
        except OSError:
            seen.append(b"failed")

    with watch_detours(seen.append):
        beside = Thread(target=quietly)
        beside.start()
        beside.join()
    assert seen == [b"socket.sendto ('127.0.0.1', 9)", b"failed"]


def test_all_is_open_again_behind_the_watch():
    """What is done before and behind it is nobody's business."""
    seen = []
    with watch_detours(seen.append):
        pass
    send_datagram()
    assert seen == []


def test_a_detour_is_a_departure_and_a_finding(make_world):
    """A client that reads nothing of its owner's, and polls as all do, but counts phones."""

    class Counting(ToyClient):
        def poll(self):
            with suppress(OSError):
                send_datagram()
            return super().poll()

    world = make_world(OWNER, b"seed", 1000.0)
    seen = run_scenario(Counting, world, Scenario("one poll", (POLL,)), OWNER)
    assert seen.departures[0].channel is Channel.DETOUR
    (finding,) = judge_egress(seen, world.public)
    assert "through the world that the client is given" in finding.explanation
    assert (finding.channel, finding.field) == ("past the world", "detour")
    assert finding.octets == b"socket.sendto ('127.0.0.1', 9)"
