"""Connections under TLS as OpenSSL makes them, with their keys."""

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
    """Give what makes a poll under TLS of a version: its packets and the path of its keys.

    `said` are other requests and answers than those of a poll, `protocols` what is told by ALPN.
    """

    def make(version=ssl.TLSVersion.TLSv1_3, number=0, said=PLAIN, protocols=("http/1.1",)):
        keys = tmp_path / "keys.log"
        client = ssl.create_default_context(cafile=certificate)
        client.maximum_version = version
        client.keylog_filename = str(keys)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        client.set_alpn_protocols(protocols)
        server.set_alpn_protocols(protocols)
        exchanges = list(_exchange(client, server, said))
        at, port = START + number * 1_000_000, 43_000 + number
        packets = [*dns(at, port, HOST, SERVER), *connection(at, (port, 443), SERVER, exchanges)]
        return packets, keys

    return make


def _exchange(client, server, said):
    """Yield what each side sends in turn, to the end of the handshake and of the poll."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=HOST)
    far = server.wrap_bio(to_server, to_client, server_side=True)

    def push(act, bio):
        with contextlib.suppress(ssl.SSLWantReadError):
            act()
        sent = bio.read()
        bio.write(sent)
        return sent

    for _ in range(2):
        yield push(near.do_handshake, to_server), push(far.do_handshake, to_client)
    for plain, answer in said:
        sent = push(lambda plain=plain: near.write(plain), to_server)
        assert far.read(1000) == plain
        came = push(lambda answer=answer: far.write(answer), to_client)
        assert near.read(1000) == answer
        yield sent, came


@pytest.fixture
def tshark():
    """Run the program on a capture and give what it prints."""

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
