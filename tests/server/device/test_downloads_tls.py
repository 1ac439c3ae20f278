"""Packages over the server's own TLS: the same bytes and the same limits."""

import asyncio
import os
import socket
import ssl
import time

import pytest
import uvloop

from server.http.turns import Limits
from tests.patience import PATIENCE, until
from tests.server.device.packages import BYTES, LONG, URL, serve_bytes, serve_long
from tests.server.device.served import read_response, request
from tests.server.release.certificate import write_certificate


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """Give the contexts of a server and a client."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key, _ = write_certificate(folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=certificate)
    client.check_hostname = False
    return server, client


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_ranges_over_tls(tmp_path, contexts, run):
    """Whole and in ranges, one after the other on a connection."""
    server, client = contexts
    with (
        serve_bytes(tmp_path, BYTES, run=run, tls=server) as running,
        client.wrap_socket(running.connect()) as connection,
    ):
        for lines, wanted in {
            (): BYTES,
            (b"Range: bytes=1-70000",): BYTES[1:70_001],
            (b"Range: bytes=-65537",): BYTES[-65_537:],
        }.items():
            connection.sendall(request(URL, *lines))
            assert read_response(connection).body == wanted
        until(lambda: running.plane.counts.downloads == 0)


def test_a_stall_over_tls(tmp_path, contexts, monkeypatch):
    """A client that reads nothing is cut off; little of the package was read for it."""
    server, client = contexts
    pread, read = os.pread, []

    def count(*asked):
        read.append(asked[1])
        return pread(*asked)

    monkeypatch.setattr(os, "pread", count)
    limits = Limits(stall_seconds=0.3)
    with serve_long(tmp_path, limits=limits, tls=server) as running:
        with client.wrap_socket(running.connect(), suppress_ragged_eofs=False) as connection:
            connection.sendall(request(URL))
            until(lambda: running.plane.counts.cuts["stall"] == 1)
            until(lambda: running.plane.counts.downloads == 0)
            assert 0 < sum(read) < LONG / 4
            with pytest.raises((ConnectionResetError, ssl.SSLError)):
                read_all(connection)
        until(lambda: running.plane.counts.connections == 0)


@pytest.mark.parametrize("lines", [(), (b"Connection: close",)], ids=["kept", "closed"])
def test_a_slow_client_over_tls(tmp_path, contexts, lines):
    """A client that reads a little at a time is served to the end, for longer than the limit."""
    server, client = contexts
    limits = Limits(stall_seconds=3.0)  # no client waits that long on a busy machine
    with serve_bytes(tmp_path, BYTES, limits=limits, tls=server) as running:
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
            plain.settimeout(PATIENCE)
            plain.connect(("127.0.0.1", running.port))
            with client.wrap_socket(plain, suppress_ragged_eofs=False) as connection:
                connection.sendall(request(URL, *lines))
                answer = b""
                while len(answer.partition(b"\r\n\r\n")[2]) < len(BYTES):
                    answer += connection.recv(16_384)
                    time.sleep(0.1)
        assert answer.endswith(b"\r\n\r\n" + BYTES)
        assert running.plane.counts.cuts["stall"] == 0


def test_a_client_of_tls_that_goes_away(tmp_path, contexts):
    """Its resources are released."""
    server, client = contexts
    with serve_long(tmp_path, tls=server) as running:
        for _ in range(20):
            with client.wrap_socket(running.connect()) as connection:
                connection.sendall(request(URL))
                connection.recv(1)
        until(lambda: running.plane.counts.downloads == 0)


def read_all(connection):
    """Read to the end."""
    while connection.recv(1 << 20):
        pass
