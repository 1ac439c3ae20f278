"""The relay records both sides and closes one if the other ends."""

import socket
import struct
import threading

import pytest

from client_sim.lab.errors import EnvironmentFailedError
from client_sim.lab.trace.sockets import Relay, check_answering
from tests.patience import PATIENCE


def test_reset_by_the_server_ends_the_connection():
    """The client reads the end immediately, and its bytes are kept."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset():
            stream, _ = listener.accept()
            stream.recv(4096)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.close()

        thread = threading.Thread(target=reset, daemon=True)
        thread.start()
        with (
            Relay(listener.getsockname()) as relay,
            socket.create_connection(relay.address, timeout=PATIENCE) as client,
        ):
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(4096) == b""
            port = client.getsockname()[1]
            client.close()
            relayed = relay.take(port)
            assert (relayed.data, relayed.is_reset) == (b"GET / HTTP/1.1\r\n\r\n", False)
        thread.join(5)


def test_reset_by_the_client_is_recorded():
    """The bytes before the reset are kept."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Relay(listener.getsockname()) as relay,
        socket.create_connection(relay.address, timeout=PATIENCE) as client,
    ):
        far, _ = listener.accept()
        client.sendall(b"GET")
        assert far.recv(4096) == b"GET"
        port = client.getsockname()[1]
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        far.close()
        relayed = relay.take(port)
        assert (relayed.data, relayed.is_reset) == (b"GET", True)


def test_unreachable_server_is_an_error():
    """The message has the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        check_answering(address)
    with pytest.raises(
        EnvironmentFailedError, match=f"no server answers at 127.0.0.1:{address[1]}"
    ):
        check_answering(address)
