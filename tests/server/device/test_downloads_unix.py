"""Packages at a Unix socket, for a proxy on this machine: the same bytes and limits."""

import asyncio
import time

import pytest
import uvloop

from server.http.turns import Limits
from tests.patience import until
from tests.server.device.packages import BYTES, URL, serve_bytes, serve_long
from tests.server.device.served import read_response, request

each_loop = pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])


@each_loop
def test_ranges_at_a_unix_socket(tmp_path, run):
    """Whole and in ranges, one after the other on a connection."""
    with (
        serve_bytes(tmp_path, BYTES, run=run, unix=tmp_path / "s") as running,
        running.connect() as connection,
    ):
        for lines, wanted in {
            (): BYTES,
            (b"Range: bytes=1-70000",): BYTES[1:70_001],
            (b"Range: bytes=-65537",): BYTES[-65_537:],
        }.items():
            connection.sendall(request(URL, *lines))
            assert read_response(connection).body == wanted
        until(lambda: running.plane.counts.downloads == 0)


@each_loop
def test_a_stall_at_a_unix_socket(tmp_path, run):
    """A client that reads nothing is cut off before the end, and no descriptor stays open."""
    limits = Limits(stall_seconds=0.3)
    with serve_long(tmp_path, limits=limits, run=run, unix=tmp_path / "s") as running:
        with running.connect() as connection:
            connection.sendall(request(URL))
            until(lambda: running.plane.counts.cuts["stall"] == 1)
            until(lambda: running.plane.counts.downloads == 0)
            with pytest.raises((ConnectionError, AssertionError)):
                read_response(connection)
        until(lambda: running.plane.counts.connections == 0)


@each_loop
def test_a_slow_client_at_a_unix_socket(tmp_path, run):
    """A client that reads a little at a time is served to the end, for longer than the limit."""
    limits = Limits(stall_seconds=3.0)  # no client waits that long on a busy machine
    with (
        serve_bytes(tmp_path, BYTES, limits=limits, run=run, unix=tmp_path / "s") as running,
        running.connect() as connection,
    ):
        connection.sendall(request(URL))
        answer = b""
        while len(answer.partition(b"\r\n\r\n")[2]) < len(BYTES):
            piece = connection.recv(8_192)
            assert piece
            answer += piece
            time.sleep(0.05)
        assert answer.endswith(b"\r\n\r\n" + BYTES)
        assert running.plane.counts.cuts["stall"] == 0
