"""The phone's TLS configuration, as the server sees it."""

import socket
import ssl
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest

from client_sim.device.errors import UnreachableError
from client_sim.device.internet import RealWorld, make_tls_context
from client_sim.lab.trace.hello import read_hello
from client_sim.transport import Connection
from tests.client_sim.device.fake_world import HOST, make_public
from tests.server.release.certificate import write_certificate

# RFC 5289 and RFC 7905: the six of FORMATS section 9; RFC 8446: those of TLS 1.3.
OFFERED = (0xC02B, 0xC02F, 0xCCA9, 0xCCA8, 0xC02C, 0xC030)
CONNECTIONS = 3
NEWER = {0x1301, 0x1302, 0x1303}
SIGNALLING = 0x00FF
SESSION = 5 + 4 + 2 + 32  # after two headers, a version and the random bytes


@pytest.fixture(scope="module")
def make_authority(tmp_path_factory):
    """Return a function that makes a self-signed certificate for a name, with its key."""

    def make(name):
        certificate, key, _ = write_certificate(tmp_path_factory.mktemp("authority"), name)
        return certificate.read_bytes(), key.read_bytes()

    return make


@pytest.fixture(scope="module")
def authority(make_authority):
    """Make the certificate of the phone's host."""
    return make_authority(HOST)


def _hello(certificate):
    """Return the first record of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = make_tls_context(certificate.decode())
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
    return outgoing.read()


def _find_key_share(data):
    """Return the range of extension 51 in a hello: RFC 8446 section 4.1.2."""
    session = data[SESSION]
    ciphers = SESSION + 1 + session
    at = ciphers + 2 + int.from_bytes(data[ciphers : ciphers + 2])
    assert data[at : at + 2] == b"\x01\x00"  # no compression
    at += 4
    while at < len(data):
        kind, size = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        if kind == 51:
            return range(at + 4, at + 4 + size)
        at += 4 + size
    raise AssertionError(data)


def test_hellos_of_all_phones_are_alike(authority):
    """Two client hellos differ only in their random fields."""
    hellos = [_hello(authority[0]) for _ in range(4)]
    assert len({len(data) for data in hellos}) == 1
    differing = {at for at, found in enumerate(zip(*hellos, strict=True)) if len(set(found)) > 1}
    random, session = range(SESSION - 32, SESSION), range(SESSION + 1, SESSION + 33)
    assert differing <= {*random, *session, *_find_key_share(hellos[0])}
    assert len({read_hello(data).random for data in hellos}) == 4


def test_offered_parameters(authority):
    """Six ciphers in order, one protocol, the host's name, no ticket, no earlier session."""
    hello = read_hello(_hello(authority[0]))
    older = [number for number in hello.ciphers if number not in NEWER | {SIGNALLING}]
    assert tuple(older) == OFFERED
    assert set(hello.ciphers) >= NEWER
    assert hello.protocols == (b"http/1.1",)
    assert hello.server_name == HOST.encode()
    assert set(hello.versions) == {0x0304, 0x0303}
    assert not hello.resumes
    # session_ticket, pre_shared_key, early_data, heartbeat
    assert not {35, 41, 42, 15} & set(hello.extensions)


class Server:
    """A TLS server that offers tickets and other protocols, and answers each connection once."""

    def __init__(self, folder, authority, version):
        (folder / "both.pem").write_bytes(b"".join(authority))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "both.pem")
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.context.minimum_version = self.context.maximum_version = version
        self.context.num_tickets = 2
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.seen = []
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        for _ in range(CONNECTIONS):
            wire, _ = self.listener.accept()
            # A client that refuses the certificate ends the handshake.
            with wire, suppress(OSError), self.context.wrap_socket(wire, server_side=True) as line:
                assert line.recv(4096).startswith(b"GET ")
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                self.seen.append(
                    (line.selected_alpn_protocol(), line.session_reused, line.cipher()[0])
                )
                line.recv(1)

    def ask(self, authority):
        """Request a document as a phone does, without delay by Nagle's algorithm."""
        public = make_public(
            SimpleNamespace(trusted_root=b""), tls=True, port=self.listener.getsockname()[1]
        )
        world = RealWorld(
            public,
            {},
            now=lambda: 0.0,
            entropy=bytes,
            resolver={HOST: ["127.0.0.1"]},
            certificate_authority=authority.decode(),
        )
        with Connection(world) as connection:
            answer = connection.get("/metadata/timestamp.json", limit=9)
            wire = connection._stream._wire
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            return answer

    def close(self):
        """Wait until all connections were served."""
        self.thread.join()
        self.listener.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_is_resumed(tmp_path, authority, version):
    """A server that issues tickets gets a full handshake each time, and HTTP/1.1."""
    server = Server(tmp_path, authority, version)
    for _ in range(CONNECTIONS):
        assert server.ask(authority[0]) == b"ok"
    server.close()
    assert [seen[:2] for seen in server.seen] == [("http/1.1", False)] * CONNECTIONS
    assert len({seen[2] for seen in server.seen}) == 1


def test_another_name_or_authority_is_refused(tmp_path, authority, make_authority):
    """Both the name and the authority must match."""
    other = make_authority("other.example")
    server = Server(tmp_path, other, ssl.TLSVersion.TLSv1_3)
    for known, match in ((other, "match"), (authority, "certificate"), (authority, "certificate")):
        with pytest.raises(UnreachableError, match=match):
            server.ask(known[0])
    server.close()
    assert server.seen == []
