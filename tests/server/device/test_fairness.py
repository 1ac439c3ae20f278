"""The resources that one client can use: memory, descriptors and download slots."""

import contextlib
import select
import socket
import time

from server.http.listener import RECEIVED
from server.http.turns import Limits
from tests.patience import PATIENCE, until
from tests.server.device.served import BYTES, URL, read_response, request, serve_bytes, serve_long


def test_pipelined_bytes_after_packages_are_bounded(tmp_path, monkeypatch):
    """If too many pipelined bytes wait after packages, the newest client is cut off."""
    monkeypatch.setattr("server.http.connections.HELD", 100_000)
    with serve_long(tmp_path) as running, contextlib.ExitStack() as stack:

        def is_cut_off():  # a server that is quick reads the first request before the others
            connection = stack.enter_context(running.connect())
            connection.sendall(request(URL) + request("/metadata/9.root.json") * 700)
            return running.plane.counts.cuts["full"] > 0

        until(is_cut_off)
        assert running.get("/metadata/9.root.json").status == 404


def test_download_below_the_least_rate_is_cut_off(tmp_path):
    """A download below the least rate is cut off, so that its slot is free."""
    limits = Limits(stall_seconds=1.0, least_rate=500_000, downloads=1)
    with serve_long(tmp_path, limits=limits) as running, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        connection.connect(("127.0.0.1", running.port))
        running.stop_clock()
        connection.sendall(request(URL))
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(1_000):
                running.advance(0.02)
        until(lambda: running.plane.counts.downloads == 0)
        assert running.plane.counts.cuts["stall"] == 1
        assert running.get(URL, b"Range: bytes=0-9").status == 206


def test_drain_does_not_wait_for_served_clients(tmp_path):
    """A client that was slow and has read everything does not delay the drain."""
    limits = Limits(idle_seconds=1_000.0, linger_seconds=0.1)
    data = b"GET /metadata/9.root.json HTTP/1.1\r\nHost: a\r\n\r\n"
    with serve_bytes(tmp_path, BYTES, limits=limits) as running, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", running.port))
        connection.sendall(data * 30_000)
        running.stop_clock()
        counts = running.plane.counts
        before = -1
        while counts.answers[404] != before:
            before = counts.answers[404]
            time.sleep(0.3)
        running.drain(30)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(1 << 20):
                pass
        until(lambda: running.advance(0.2) or counts.connections == 0)
        assert counts.cuts["idle"] == 0


def test_packages_are_sent_without_an_epoll_descriptor(tmp_path, monkeypatch):
    """Without a descriptor for epoll, packages are sent by the slower method and counted once."""

    def epoll():
        raise OSError(24, "no descriptor left")

    with serve_bytes(tmp_path, BYTES) as running, running.connect() as connection:
        monkeypatch.setattr(select, "epoll", epoll)
        for _ in range(2):
            connection.sendall(request(URL))
            assert read_response(connection).body == BYTES
        assert running.plane.counts.answers[200] == 2
        until(lambda: running.plane.counts.downloads == 0)
        assert running.errors == []


def test_receive_buffer_is_bounded(tmp_path):
    """A connection's receive buffer is limited; Linux doubles the configured size."""
    with serve_bytes(tmp_path, BYTES) as running, running.connect() as connection:
        connection.sendall(request("/metadata/9.root.json"))
        read_response(connection)
        (registered,) = running.listener._registry._connections
        accepted = registered._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * RECEIVED
