"""TLS connections between two OpenSSL contexts, with their keys."""

import contextlib
import ssl
import subprocess

import pytest

from fixtures.captures import HOST, NOTHING_NEW, POLL, START
from fixtures.packet_writer import connection, dns
from tests.patience import PATIENCE

SERVER = "198.51.100.10"
PLAIN = [
    (request.replace(b":8080", b""), answer)
    for request, answer in zip(POLL, NOTHING_NEW, strict=True)
]


@pytest.fixture
def secure_poll(certificate, tmp_path):
    """Return a function that makes the packets of a TLS poll, and the path of its keys.

    `exchanges` are requests and answers, `protocols` those of ALPN.
    """

    def make(version=ssl.TLSVersion.TLSv1_3, number=0, exchanges=PLAIN, protocols=("http/1.1",)):
        keys = tmp_path / "keys.log"
        client = ssl.create_default_context(cafile=certificate)
        client.maximum_version = version
        client.keylog_filename = str(keys)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        client.set_alpn_protocols(protocols)
        server.set_alpn_protocols(protocols)
        sent = list(_exchange(client, server, exchanges))
        at, port = START + number * 1_000_000, 43_000 + number
        packets = [*dns(at, port, HOST, SERVER), *connection(at, (port, 443), SERVER, sent)]
        return packets, keys

    return make


def _exchange(client, server, exchanges):
    """Yield the bytes that each side sends in turn, for the handshake and the exchanges."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    local = client.wrap_bio(to_client, to_server, server_hostname=HOST)
    remote = server.wrap_bio(to_server, to_client, server_side=True)

    def push(act, bio):
        with contextlib.suppress(ssl.SSLWantReadError):
            act()
        sent = bio.read()
        bio.write(sent)
        return sent

    for _ in range(2):
        yield push(local.do_handshake, to_server), push(remote.do_handshake, to_client)
    for plain, answer in exchanges:
        sent = push(lambda plain=plain: local.write(plain), to_server)
        assert remote.read(1000) == plain
        came = push(lambda answer=answer: remote.write(answer), to_client)
        assert local.read(1000) == answer
        yield sent, came


@pytest.fixture
def tshark():
    """Return a function that runs tshark on a capture and returns its output."""

    def run(path, *words):
        done = subprocess.run(
            ["tshark", "-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-r", path, *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        return done.stdout

    return run
