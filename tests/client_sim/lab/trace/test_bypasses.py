"""Actions of a client outside its world are noted, and fail."""

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
from client_sim.lab.trace.bypasses import watch_bypasses
from client_sim.lab.trace.observation import Channel
from client_sim.persona import make_persona

OWNER = make_persona(3)
DISCARD = ("127.0.0.1", 9)


def send_datagram():
    """Send a datagram to this machine's discard port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"x", DISCARD)


def connect():
    """Connect to this machine's discard port."""
    with socket.socket() as out:
        out.connect(DISCARD)


def test_each_detour_is_noted_and_fails():
    """The note names the target, and the client gets an OSError."""
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
        with watch_bypasses(seen.append), pytest.raises(OSError, match="may use only its world"):
            attempt()
        assert seen == [noted]


def test_threads_are_watched():
    """Attempts from a client's thread are noted, too."""
    seen = []

    def quietly():
        try:
            send_datagram()
        except OSError:
            seen.append(b"failed")

    with watch_bypasses(seen.append):
        thread = Thread(target=quietly)
        thread.start()
        thread.join()
    assert seen == [b"socket.sendto ('127.0.0.1', 9)", b"failed"]


def choose(seconds):
    """Wait without any file, as event loops do."""
    with selectors.DefaultSelector() as selector:
        selector.select(seconds)


def doze(seconds):
    """Sleep by a function imported from its module."""
    from time import sleep  # noqa: PLC0415  # imported later than the lab, as by a client

    sleep(seconds)


def listen(seconds):
    """Set a timeout on a socket that receives nothing."""
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(seconds)


def wait_for(seconds):
    """Wait for a notification that never comes."""
    with (one := Condition()):
        one.wait(seconds)


def test_each_pause_is_noted_and_fails():
    """A pause in real time is invisible to the virtual clock, but could carry data."""
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
        with watch_bypasses(seen.append), pytest.raises(OSError, match="may use only its world"):
            pause()
        assert seen == [noted]


def test_waits_without_seconds_are_allowed():
    """They carry no data. After the watch everything is allowed."""
    seen = []
    with watch_bypasses(seen.append):
        choose(0)
        select.select([], [], [], 0)
        thread = Thread(target=lambda: None)
        thread.start()
        thread.join()
        assert asyncio.run(asyncio.sleep(0, "done")) == "done"
    assert seen == []
    seen = []
    with watch_bypasses(seen.append):
        pass
    send_datagram()
    assert seen == []


def test_earlier_threads_may_wait():
    """A progress bar or another server is not the client."""
    seen, begun, watched, waited = [], Event(), Event(), []

    def draw():
        begun.set()
        watched.wait()
        time.sleep(1e-6)
        waited.append(True)

    bar = Thread(target=draw)
    bar.start()
    begun.wait()
    with watch_bypasses(seen.append):
        watched.set()
        bar.join()
    time.sleep(1e-6)
    assert (seen, waited) == ([], [True])


def test_detour_is_a_departure_and_a_finding(make_world):
    """A client that counts phones by a datagram is found, although its polls are clean."""

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


def test_calls_are_replaced_only_for_the_lab():
    """Other commands keep Python's own functions."""
    code = "import time, client_sim.cli; print(time.sleep)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "<built-in function sleep>\n"


def test_client_imports_the_watched_call(tmp_path, monkeypatch):
    """`from time import sleep` in a client's module gets the replacement."""
    (tmp_path / "sleeping_client.py").write_text("from time import sleep as factory\n")
    monkeypatch.syspath_prepend(tmp_path)
    noted = []
    sleep = load_client("sleeping_client:factory")
    with watch_bypasses(noted.append), suppress(OSError):
        sleep(1)
    assert noted == [b"time.sleep 1"]
