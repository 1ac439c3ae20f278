"""A scripted server behind a real socket."""

import socket
import ssl

import pytest

from client_sim.lab.servers.scripted import ListeningServer, make_authority
from tests.patience import PATIENCE

ASKED = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ask(address, data=ASKED):
    """Send bytes and return the first bytes of the answer."""
    with socket.create_connection(address, timeout=PATIENCE) as wire:
        wire.sendall(data)
        return wire.recv(4096)


def test_server_answers_by_its_script():
    """The script gets the time and the connection's number; received bytes are stored."""
    requests = []

    def respond(asked):
        requests.append(asked)
        return ANSWER

    with ListeningServer(respond, lambda: 77.0, None) as server:
        assert [ask(server.address), ask(server.address)] == [ANSWER, ANSWER]
        assert server.received() == (ASKED, ASKED)
    assert [asked.connection for asked in requests] == [0, 1]
    assert {(asked.data, asked.now, asked.tls) for asked in requests} == {(ASKED, 77.0, None)}


def test_bytes_of_a_closed_connection_are_received():
    """A client that reads no answer may close before its connection is accepted."""
    with ListeningServer(lambda _asked: ANSWER, lambda: 0.0, None) as server:
        for number in range(1, 65):
            with socket.create_connection(server.address, timeout=PATIENCE) as wire:
                wire.sendall(ASKED)
            assert server.received(number) == (ASKED,) * number


def test_error_of_the_script_resets_the_connection():
    """As if the server died."""

    def respond(_asked):
        raise OSError("the server died")

    with ListeningServer(respond, lambda: 0.0, None) as server, pytest.raises(ConnectionResetError):
        ask(server.address)


def test_script_receives_decrypted_requests(tmp_path):
    """A client that trusts the run's authority is answered; secrets are in the key log."""
    key_log = tmp_path / "keys"
    authority = make_authority("a.example", 1_800_000_000.0, key_log)
    client = ssl.create_default_context(cadata=authority.certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # The certificate is not valid today.
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with ListeningServer(lambda _asked: ANSWER, lambda: 0.0, authority.context) as server:
        with (
            socket.create_connection(server.address, timeout=PATIENCE) as wire,
            client.wrap_socket(wire, server_hostname="a.example") as secure,
        ):
            secure.sendall(ASKED)
            assert secure.recv(4096) == ANSWER
        assert server.received() == (ASKED,)
    assert "CLIENT_TRAFFIC_SECRET_0" in key_log.read_text()
