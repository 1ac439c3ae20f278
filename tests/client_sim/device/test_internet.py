import socket

import pytest

from client_sim.device.errors import UnreachableError
from client_sim.device.internet import RealWorld, SocketStream
from client_sim.transport import Connection
from tests.client_sim.device.fake_world import HOST, make_public
from tests.client_sim.device.repository_simulator import START
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


def test_close_with_unread_data_sends_no_reset():
    """Closing a plain socket with unread data would send a reset."""
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
            # A reset after the FIN would have closed this end as well.
            assert far.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([CLOSE_WAIT])
        SocketStream(near).close()


def test_allowed_servers(repository):
    """Without TLS only loopback is allowed; with TLS the image must have an authority."""
    plain, tls = (_make_world(make_public(repository, tls=tls)) for tls in (False, True))
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "nonsense"):
        with pytest.raises(OSError, match="plain text"):
            plain.connect(address, 80, None)
    with Connection(tls) as connection, pytest.raises(UnreachableError, match="authority"):
        connection.get("/metadata/timestamp.json", limit=1)


def test_other_names_use_the_system_resolver(repository):
    """The resolver map replaces DNS for its own names only."""
    world = _make_world(make_public(repository))
    assert set(world.resolve("localhost")) <= {"127.0.0.1", "::1"}
    assert world.resolve(HOST) == ["127.0.0.1"]
