import socket
import ssl
import threading

import pytest

from client_sim.clock import read_clock, read_entropy
from client_sim.device.client import PollingClient
from client_sim.device.errors import UnreachableError
from client_sim.device.internet import RealWorld, SocketStream, make_tls_context
from client_sim.transport import Connection
from tests.client_sim.device.certificate import make_certificate
from tests.client_sim.device.fake_world import HOST, make_public
from tests.client_sim.device.repository_simulator import START
from tests.client_sim.device.web_server import serve
from tests.patience import PATIENCE

CLOSE_WAIT = 8  # of Linux's TCP states


def _make_world(public, **options):
    return RealWorld(
        public,
        {},
        now=lambda: float(START),
        entropy=bytes,
        resolver={HOST: ["127.0.0.1"]},
        **options,
    )


def test_the_bytes_at_the_other_end(repository):
    """What a real server receives in a first poll are the bytes of FORMATS section 9."""
    with serve(repository) as server:
        world = _make_world(make_public(repository, port=server.port))
        outcome = PollingClient(world).poll()
    assert outcome.failure is None
    head = "GET {} HTTP/1.1\r\nHost: updates.hening.example:{}\r\nAccept-Encoding: gzip\r\n\r\n"
    assert server.received == [
        "".join(head.format(path, server.port) for path in outcome.requests).encode()
    ]
    assert outcome.requests[0] == "/metadata/2.root.json"
    assert len(outcome.requests) == 10


def test_a_connection_ends_in_order_with_an_answer_unread():
    """The other end reads its end, where a socket that is merely closed would reset it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        near = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
        far, _ = listener.accept()
        far.settimeout(PATIENCE)
        with far:
            far.sendall(bytes(100_000))
            near.recv(1, socket.MSG_PEEK)
            SocketStream(near).close()
            assert far.recv(1) == b""
            # A reset behind the end would have closed this end, too.
            assert far.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([CLOSE_WAIT])
        SocketStream(near).close()


def test_plain_text_stays_on_this_machine(repository):
    """Without TLS only loopback is spoken to."""
    world = _make_world(make_public(repository))
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "nonsense"):
        with pytest.raises(OSError, match="plain text"):
            world.connect(address, 80, None)


def test_tls_needs_the_images_authority(repository):
    """A ROM without an authority does not fall back to the system's."""
    world = _make_world(make_public(repository, tls=True))
    with Connection(world) as connection, pytest.raises(UnreachableError, match="authority"):
        connection.get("/metadata/timestamp.json", limit=1)


def test_the_tls_configuration():
    """One fixed configuration: 1.2 or 1.3, names checked, no tickets, no renegotiation."""
    certificate, _ = make_certificate("a.example")
    context = make_tls_context(certificate.decode())
    assert (context.minimum_version, context.maximum_version) == (
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_3,
    )
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    wanted = ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    assert context.options & wanted == wanted
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("name", [HOST, "other.example"])
def test_tls_is_checked_with_name_and_authority(repository, tmp_path, name):
    """The right name is polled over TLS; a certificate for another name is not."""
    certificate, key = make_certificate(name)
    (tmp_path / "both.pem").write_bytes(certificate + key)
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    received = []

    def answer():
        wire, _ = listener.accept()
        with wire:
            try:
                with context.wrap_socket(wire, server_side=True) as secure:
                    received.append(secure.recv(4096))
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    secure.recv(1)
            except OSError:
                received.append(None)

    thread = threading.Thread(target=answer)
    thread.start()
    public = make_public(repository, tls=True, port=listener.getsockname()[1])
    world = _make_world(public, certificate_authority=certificate.decode())
    with Connection(world) as connection:
        if name == HOST:
            assert connection.get("/metadata/timestamp.json", limit=9) == b"ok"
        else:
            with pytest.raises(UnreachableError, match="match"):
                connection.get("/metadata/timestamp.json", limit=9)
    thread.join()
    listener.close()
    assert (received[0] is None) == (name != HOST)


def test_names_outside_the_map_are_asked_of_the_system(repository):
    """The resolver map replaces DNS for its own names only."""
    world = _make_world(make_public(repository))
    assert set(world.resolve("localhost")) <= {"127.0.0.1", "::1"}
    assert world.resolve(HOST) == ["127.0.0.1"]


def test_a_closed_port_is_unreachable(repository):
    """The connection is refused: the surroundings failed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    world = _make_world(make_public(repository, port=port))
    assert isinstance(PollingClient(world).poll().failure, UnreachableError)


def test_the_real_clock_and_randomness():
    """Epoch seconds of this century, and bytes that do not repeat."""
    assert 1_700_000_000 < read_clock() < 4_102_444_800
    assert len(read_entropy(32)) == 32
    assert read_entropy(32) != read_entropy(32)


def test_the_world_passes_on_what_it_was_given(repository):
    """Clock and randomness are the injected ones, and there is no owner's data."""
    world = _make_world(make_public(repository))
    assert world.now() == START
    assert world.entropy(4) == bytes(4)
    assert world.personal is None
