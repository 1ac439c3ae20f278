"""What a client does past its world is noted, and fails."""

import asyncio
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import syslog
import time
from contextlib import suppress
from multiprocessing.util import spawnv_passfds
from threading import Condition, Event, Thread

import pytest

from client_sim.lab.clients.loading import load_client
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


def test_each_way_out_is_noted_and_shut():
    """The target is named; whoever tries is told that it does not work."""
    for attempt, noted in (
        (send_datagram, b"socket.sendto ('127.0.0.1', 9)"),
        (connect, b"socket.connect ('127.0.0.1', 9)"),
        (lambda: socket.getaddrinfo("serial.invalid", 80), b"socket.getaddrinfo serial.invalid"),
        (lambda: socket.gethostbyname("serial.invalid"), b"socket.gethostbyname serial.invalid"),
        (lambda: subprocess.run(["true"], check=True), b"subprocess.Popen true"),
        (lambda: os.system("true"), b"os.system true"),
        (lambda: syslog.syslog("serial"), b"syslog.syslog serial"),
        (
            lambda: spawnv_passfds(b"/bin/true", [b"/bin/true"], ()),
            b"_posixsubprocess.fork_exec [b'/bin/true']",
        ),
    ):
        seen = []
        with watch_detours(seen.append), pytest.raises(OSError, match="may use only its world"):
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


def choose(seconds):
    """Wait for nothing in particular, as event loops do."""
    with selectors.DefaultSelector() as selector:
        selector.select(seconds)


def doze(seconds):
    """Sleep as whoever takes the call out of its module."""
    from time import sleep  # noqa: PLC0415  # behind the lab, as a client does

    sleep(seconds)


def listen(seconds):
    """Wait at a socket to which nobody speaks."""
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(seconds)


def wait_for(seconds):
    """Wait for somebody who does not come."""
    with (one := Condition()):
        one.wait(seconds)


def test_a_pause_is_noted_and_does_not_come_about():
    """Seconds that pass between two requests tell what the virtual clock does not show."""
    for pause, noted in (
        (lambda: time.sleep(0.002), b"time.sleep 0.002"),
        (lambda: doze(1e-6), b"time.sleep 1e-06"),
        (lambda: select.select([], [], [], 0.25), b"select.select 0.25"),
        (lambda: choose(0.5), selectors.DefaultSelector.__name__.encode() + b".select 0.5"),
        (lambda: selectors.PollSelector().select(0.5), b"PollSelector.select 0.5"),
        (lambda: signal.setitimer(signal.ITIMER_REAL, 0.5), b"signal.setitimer 0.5"),
        (lambda: signal.alarm(1), b"signal.alarm 1"),
        (lambda: listen(0.5), b"socket.settimeout 0.5"),
        (lambda: wait_for(3), b"Condition.wait 3"),
        (lambda: Event().wait(timeout=0.5), b"Condition.wait 0.5"),
    ):
        seen = []
        with watch_detours(seen.append), pytest.raises(OSError, match="may use only its world"):
            pause()
        assert seen == [noted]


def test_to_look_and_to_wait_for_ones_own_thread_is_no_pause():
    """Nothing is chosen by it: no seconds are given, or none. Behind the watch all is open."""
    seen = []
    with watch_detours(seen.append):
        choose(0)
        select.select([], [], [], 0)
        beside = Thread(target=lambda: None)
        beside.start()
        beside.join()
        assert asyncio.run(asyncio.sleep(0, "done")) == "done"
    assert seen == []
    seen = []
    with watch_detours(seen.append):
        pass
    send_datagram()
    assert seen == []


def test_threads_that_were_there_before_may_wait():
    """A progress bar, or a server of somebody else's, is not the client."""
    seen, begun, watched, waited = [], Event(), Event(), []

    def draw():
        begun.set()
        watched.wait()
        time.sleep(1e-6)
        waited.append(True)

    bar = Thread(target=draw)
    bar.start()
    begun.wait()
    with watch_detours(seen.append):
        watched.set()
        bar.join()
    time.sleep(1e-6)
    assert (seen, waited) == ([], [True])


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
    assert "through the world that it is given" in finding.explanation
    assert (finding.channel, finding.field) == ("past the world", "detour")
    assert finding.data == b"socket.sendto ('127.0.0.1', 9)"


def test_programs_that_load_no_client_keep_their_clock():
    """A poll, a fleet: nothing of theirs is replaced for the lab's sake."""
    code = "import time, client_sim.cli; print(time.sleep)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "<built-in function sleep>\n"


def test_a_client_that_takes_a_call_for_itself_takes_the_watched_one(tmp_path, monkeypatch):
    """`from time import sleep` in its module, which is imported to be examined."""
    (tmp_path / "sleeper_of_its_own.py").write_text("from time import sleep as factory\n")
    monkeypatch.syspath_prepend(tmp_path)
    noted = []
    sleep = load_client("sleeper_of_its_own:factory")
    with watch_detours(noted.append), suppress(OSError):
        sleep(1)
    assert noted == [b"time.sleep 1"]
