"""A scripted server behind a real socket."""

import socket
import ssl

import pytest

from client_sim.lab.servers.scripted import Listening, make_authority
from tests.patience import PATIENCE

ASKED = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ask(address, data=ASKED):
    """Send bytes and give what comes back until the other end is quiet for long or closes."""
    with socket.create_connection(address, timeout=PATIENCE) as wire:
        wire.sendall(data)
        return wire.recv(4096)


def test_it_answers_by_its_script_and_keeps_what_arrived():
    """It tells the script the time, and which connection of the run this is."""
    told = []

    def respond(asked):
        told.append(asked)
        return ANSWER

    with Listening(respond, lambda: 77.0, None) as server:
        assert [ask(server.address), ask(server.address)] == [ANSWER, ANSWER]
        assert server.received() == (ASKED, ASKED)
    assert [asked.connection for asked in told] == [0, 1]
    assert {(asked.data, asked.now, asked.tls) for asked in told} == {(ASKED, 77.0, None)}


def test_what_is_sent_and_closed_at_once_has_arrived():
    """A client that reads no answer may be gone before its connection is accepted."""
    with Listening(lambda _asked: ANSWER, lambda: 0.0, None) as server:
        for number in range(1, 65):
            with socket.create_connection(server.address, timeout=PATIENCE) as wire:
                wire.sendall(ASKED)
            assert server.received(number) == (ASKED,) * number


def test_an_error_of_the_script_resets_the_connection():
    """As a server that dies does."""

    def respond(_asked):
        raise OSError("the server died")

    with Listening(respond, lambda: 0.0, None) as server, pytest.raises(ConnectionResetError):
        ask(server.address)


def test_tls_is_taken_off_before_the_script_sees_it(tmp_path):
    """A client that trusts the authority of the run is answered; secrets go to the key log."""
    key_log = tmp_path / "keys"
    authority = make_authority("a.example", 1_800_000_000.0, key_log)
    client = ssl.create_default_context(cadata=authority.certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # The certificate is of the year 2027; who asks today would refuse it.
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with Listening(lambda _asked: ANSWER, lambda: 0.0, authority.context) as server:
        with (
            socket.create_connection(server.address, timeout=PATIENCE) as wire,
            client.wrap_socket(wire, server_hostname="a.example") as secure,
        ):
            secure.sendall(ASKED)
            assert secure.recv(4096) == ANSWER
        assert server.received() == (ASKED,)
    assert "CLIENT_TRAFFIC_SECRET_0" in key_log.read_text()
