"""Connections during their TLS handshake: they use slots, and have the time limit of a head."""

import ssl
from contextlib import ExitStack

import pytest

from server.http.turns import Limits
from tests.patience import until
from tests.server.device.packages import BYTES, serve_bytes
from tests.server.device.served import read_response, request
from tests.server.device.test_downloads_tls import contexts

__all__ = ["contexts"]

ABSENT = request("/metadata/9.root.json")
#: The record header of a ClientHello of 512 bytes, which never follow (RFC 8446 section 5.1).
BEGUN = b"\x16\x03\x01\x02\x00"


def test_handshakes_take_room(tmp_path, contexts):
    """With the maximum of handshakes under way, the next is not served, and is counted.

    With one more slot it would be served.
    """
    server, client = contexts
    limits = Limits(connections=2, head_seconds=60.0, drain_seconds=0.1)
    with serve_bytes(tmp_path, BYTES, limits=limits, tls=server) as running, ExitStack() as stack:
        counts = running.plane.counts
        for _ in range(2):
            stack.enter_context(running.connect()).sendall(BEGUN)
        until(lambda: counts.connections == 2)
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            ask(running, client)
        assert counts.cuts["full"] == 1
    limits = Limits(connections=3, head_seconds=60.0, drain_seconds=0.1)
    with serve_bytes(tmp_path, BYTES, limits=limits, tls=server) as running, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running.connect()).sendall(BEGUN)
        until(lambda: running.plane.counts.connections == 2)
        assert ask(running, client).status == 404


def ask(running, client):
    """Send a request over a new connection."""
    with client.wrap_socket(running.connect()) as connection:
        connection.sendall(ABSENT)
        return read_response(connection)


@pytest.mark.parametrize("said", [b"", BEGUN], ids=["nothing", "a record's head"])
def test_a_handshake_that_never_ends(tmp_path, contexts, said):
    """It is cut off at the time limit of a head, and counted as one."""
    server, _ = contexts
    limits = Limits(head_seconds=0.3)
    with serve_bytes(tmp_path, BYTES, limits=limits, tls=server) as running:
        with running.connect() as connection:
            connection.sendall(said)
            assert connection.recv(1) == b""
        until(lambda: running.plane.counts.connections == 0)
        assert running.plane.counts.cuts["head"] == 1
