"""No data of a client passes the nginx edge, or is stored there."""

import re
import socket
import ssl

import pytest

from tests.edge import CLEAN, package_of
from tests.server.device.served import read_response, request
from tests.server.device.test_wire import REFUSED
from tests.server.world import PACKAGE_1

pytestmark = pytest.mark.needs("nginx")
TIMESTAMP, NEXT_ROOT = "/metadata/timestamp.json", "/metadata/2.root.json"
GZIP = b"Accept-Encoding: gzip"
CANARY = b"canary4711"


#: Requests that nginx accepts and hening does not; the origin sees only valid ones.
FORGIVEN = {
    *("one bare line feed", "bare line feeds", "obsolete folding", "NUL in a value", "no colon"),
    *("bare carriage return", "space before the colon", "space in a name", "no name"),
    *("space before the first name", "type"),
    *("upgrade to h2c", "web socket", "cookie", "authorization", "proxy authorization"),
    *("unknown header", "forwarded", "two validators", "two Ranges", "many headers"),
    *("empty Host", "Host with a user"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_requests_outside_grammar(edge, name):
    """The edge refuses the request and closes, or tolerates it and forwards a valid one."""
    data, _ = REFUSED[name]
    edge.relay.forget()
    answer = edge.exchange(data + request(NEXT_ROOT, b"Connection: close"))
    statuses = re.findall(rb"HTTP/1\.1 (?!100)(\d+) ", answer)  # nginx may send a 100 first
    if name in FORGIVEN:
        assert statuses[0] in {b"200", b"400"}
    else:
        assert statuses == [b"400"], answer
        assert edge.relay.requests == []
    assert re.search(rb"nginx/|<html>", answer) is None
    assert all(CLEAN.fullmatch(each) for each in edge.relay.requests)


def test_no_canary_passes_or_stays(fresh_edge, big_state):
    """A canary in any position reaches neither the origin, nor an answer, nor a file of nginx."""
    names = (
        *("Host", "Accept-Encoding", "Range", "If-Range", "If-None-Match", "Accept", "Cookie"),
        *("User-Agent", "Accept-Language", "Referer", "Via", "X-Forwarded-For", "Forwarded"),
        *("Authorization", "X-Imei", "X-Accel-Expires", "If-Match", "Origin", "TE", "Priority"),
    )
    answers = []
    for path in (TIMESTAMP, package_of(big_state, PACKAGE_1)):
        spoiled = [
            request(path, name.encode() + b": " + value)
            for name in names
            for value in (CANARY, b'"' + CANARY + b'", gzip')
        ]
        spoiled += [
            request(f"{path}?{CANARY.decode()}"),
            request(f"/{CANARY.decode()}"),
            request(path, method=CANARY.decode()),
            request(path, b"X-" + CANARY + b": 1"),
            request(path, b"Content-Length: 10") + CANARY,
            request(path, b"Transfer-Encoding: chunked") + b"a\r\n" + CANARY + b"\r\n0\r\n\r\n",
            request(path, host=CANARY),
            request(path) + CANARY,
            CANARY + b"\r\n\r\n",
        ]
        for data in spoiled:
            closing = data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
            answers.append(fresh_edge.exchange(closing, name=CANARY.decode()))
    assert any(b" 200 " in answer for answer in answers)
    assert CANARY not in b"".join(answers)
    assert fresh_edge.relay.requests
    for data in fresh_edge.relay.requests:
        assert CLEAN.fullmatch(data), data
    for path, content in fresh_edge.kept():
        assert CANARY not in content, path
        assert b"127.0.0.1" not in content, path


def test_no_tls_session_resumption(edge):
    """The edge accepts only TLS 1.3, and sends no ticket that would identify a client."""
    with edge.connect() as connection:
        connection.sendall(request(TIMESTAMP))
        read_response(connection)
        assert connection.version() == "TLSv1.3"
        assert connection.session is None or not connection.session.has_ticket, "a ticket"
    older = ssl.create_default_context()
    older.check_hostname = False
    older.verify_mode = ssl.CERT_NONE
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", edge.port)) as plain,
        pytest.raises(ssl.SSLError),
    ):
        older.wrap_socket(plain)
