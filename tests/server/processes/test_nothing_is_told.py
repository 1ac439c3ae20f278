"""What a client sends over TLS, or instead of it, is nowhere in what the server writes."""

import contextlib
import ssl
import urllib.request

import pytest

from tests.nginx import free_port
from tests.server.processes.service import PATIENCE, TIMESTAMP, serving, until
from tests.server.processes.test_ways_in import handshake, tls_options
from tests.server.release.certificate import write_certificate

CANARY = "kanarienvogel-4711"
REQUESTS = [
    f"GET /{CANARY}?{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\nCookie: a={CANARY}\r\n\r\n",
    f"POST {TIMESTAMP} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 18\r\n\r\n{CANARY}",
    f"{CANARY}\0\r\n{CANARY}\r\n\r\n",
]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_canary(world, tmp_path, workers):
    """A handshake that fails leaves no line, whatever came; nor does a request after a good one."""
    live = tmp_path / "live"
    live.mkdir()
    write_certificate(live)
    options = tls_options(live, free_port())
    with serving(world, tmp_path, "--workers", workers, *options) as service:
        before = service.answers("400")
        for request in REQUESTS:
            with handshake(service, live) as one:
                one.sendall(request.encode())
                with contextlib.suppress(ssl.SSLEOFError):
                    while one.recv(65536):
                        pass
            with service.connect() as one:
                one.sendall(request.encode())
                with contextlib.suppress(ConnectionError):
                    while one.recv(65536):
                        pass
            with service.connect() as one:
                one.sendall(b"\x16\x03\x01\x02\x00" + request.encode())
        until(lambda: service.answers("400") > before)
        metrics = f"http://127.0.0.1:{service.metrics_port}/metrics"
        with urllib.request.urlopen(metrics, timeout=PATIENCE) as answer:
            assert CANARY not in answer.read().decode()
    assert CANARY not in service.log.read_text()
    assert all(each["level"] == "info" for each in service.events())
    assert {each["event"] for each in service.events()} <= {
        *("serving", "listening", "a worker ended"),
    }
