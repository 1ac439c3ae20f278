"""What one client can take of a process: its turns, its memory, its places for downloads."""

import asyncio
import contextlib
import select
import socket
import time

import pytest

from server.device.gate import GateMode
from server.device.lane import AT_ONCE
from server.device.limits import Limits
from soak.memory_transport import MemoryTransport
from soak.two_ways import TwoWays
from tests.server.device.packages import OCTETS, URL, serve_long, serve_octets, until
from tests.server.device.served import PATIENCE, read_response, request

STAMP = b"/metadata/timestamp.json HTTP/1.1\r\nHost: updates.example\r\nAccept-Encoding: "
POLL = b"GET " + STAMP + b"gzip\r\n\r\n"
COMMAS = b"HEAD " + STAMP + b",,,\r\n\r\n"


@pytest.mark.parametrize("asked", [POLL, COMMAS])
async def test_a_turn_of_the_loop_is_for_everybody(asked):
    """However many requests come at once, so many are answered before others have their turn."""
    transport = MemoryTransport()
    protocol = TwoWays(GateMode.DIRECT).lane()
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    answered = []
    transport.feed(asked * 1_000)
    while transport.written.count(b"HTTP/1.1 200") < 1_000:
        answered.append(transport.written.count(b"HTTP/1.1 200"))
        await asyncio.sleep(0)
    answered.append(1_000)
    assert max(b - a for a, b in zip([0, *answered], answered, strict=False)) <= AT_ONCE
    protocol.connection_lost(None)


def test_what_is_sent_ahead_of_a_package_is_bounded(tmp_path, monkeypatch):
    """Where all in all too much waits behind packages the last to come is cut."""
    monkeypatch.setattr("server.device.front.HELD", 100_000)
    with serve_long(tmp_path) as running, contextlib.ExitStack() as stack:
        for _ in range(5):
            connection = stack.enter_context(running.connect())
            connection.sendall(request(URL) + request("/metadata/9.root.json") * 700)
        until(lambda: running.plane.counts.cuts["full"] > 0)
        assert running.get("/metadata/9.root.json").status == 404


def test_a_trickle_holds_no_place(tmp_path):
    """Who takes less of a package than a phone on the worst line makes room for others."""
    limits = Limits(stall_seconds=1.0, least_rate=500_000, downloads=1)
    with serve_long(tmp_path, limits=limits) as running, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        connection.connect(("127.0.0.1", running.port))
        connection.sendall(request(URL))
        end = time.monotonic() + 20
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(1_000):
                assert time.monotonic() < end
                time.sleep(0.02)
        until(lambda: running.plane.counts.downloads == 0)
        assert running.plane.counts.cuts["stall"] == 1
        assert running.get(URL, b"Range: bytes=0-9").status == 206


def test_a_drain_waits_for_nobody_who_has_all(tmp_path):
    """A client that was slow, and then took everything, is not waited for till it is idle."""
    limits = Limits(idle_seconds=1_000.0, linger_seconds=0.1)
    octets = b"GET /metadata/9.root.json HTTP/1.1\r\nHost: a\r\n\r\n"
    with serve_octets(tmp_path, OCTETS, limits=limits) as running, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", running.port))
        connection.sendall(octets * 30_000)
        counts = running.plane.counts
        before = -1
        while counts.answers[404] != before:
            before = counts.answers[404]
            time.sleep(0.3)
        running.drain(30)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(1 << 20):
                pass
        until(lambda: counts.connections == 0)
        assert counts.cuts["idle"] == 0


def test_no_descriptor_for_sending_files(tmp_path, monkeypatch):
    """Whoever asks gets the package the slower way, and is counted once."""

    def epoll():
        raise OSError(24, "no descriptor left")

    with serve_octets(tmp_path, OCTETS) as running, running.connect() as connection:
        monkeypatch.setattr(select, "epoll", epoll)
        for _ in range(2):
            connection.sendall(request(URL))
            assert read_response(connection).body == OCTETS
        assert running.plane.counts.answers[200] == 2
        until(lambda: running.plane.counts.downloads == 0)
        assert running.errors == []
