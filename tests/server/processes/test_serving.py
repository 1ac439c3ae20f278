"""TLS for phones without an edge: configuration, renewal of certificates, and logs."""

import contextlib
import shutil
import ssl
import subprocess
import urllib.request

import pytest

from tests.patience import PATIENCE, until
from tests.ports import free_port
from tests.server.processes.service import REPLACED, TIMESTAMP, ask, serving
from tests.server.release.certificate import write_certificate

CANARY = "kanarienvogel-4711"
REQUESTS = [
    f"GET /{CANARY}?{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\nCookie: a={CANARY}\r\n\r\n",
    f"POST {TIMESTAMP} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 18\r\n\r\n{CANARY}",
    f"{CANARY}\0\r\n{CANARY}\r\n\r\n",
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Return the folders of two certificates for loopback."""
    made = []
    for name in ("first", "second"):
        folder = tmp_path_factory.mktemp(name)
        write_certificate(folder)
        made.append(folder)
    return made


@pytest.fixture(scope="module", params=["0", "1"])
def served(request, published_state, tmp_path_factory, certificates):
    """Yield a server with TLS, its number of workers, its state and its folder of files."""
    folder = tmp_path_factory.mktemp("tls")
    world = published_state.copy(folder / "state")
    live = folder / "live"
    shutil.copytree(certificates[0], live)
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    files = ("--tls-cert", str(live / "cert.pem"), "--tls-key", str(live / "key.pem"))
    options = ("--port", str(port), "--public-url", url, "--workers", request.param)
    # The server reads itself back under its certificate's name. A forked server would have imported
    # aiohttp before, which reads this variable at import.
    trust = {"SSL_CERT_FILE": str(certificates[0] / "cert.pem")}
    with serving(world, folder, *options, *files, environment=trust) as service:
        yield service, request.param, world, live


def handshake(service, certificate):
    """Connect as a client that trusts only this certificate."""
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context.wrap_socket(service.connect(), server_hostname="127.0.0.1")


@pytest.mark.needs("openssl")
def test_tls_parameters(served, certificates):
    """Only TLS 1.3 and HTTP/1.1 are offered, without tickets that could identify a phone."""
    service, *_ = served
    with handshake(service, certificates[0]) as one:
        assert ask(one)[0] == 200
        assert (one.version(), one.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    trace = s_client(service, "-tls1_3", status=0)
    assert "HTTP/1.1 200 OK" in trace
    assert "CertificateVerify" in trace
    assert "NewSessionTicket" not in trace
    assert "Cipher is (NONE)" in s_client(service, "-tls1_2", status=1)


def s_client(service, version, status):
    """Return openssl's trace of every message of a connection with one request."""
    request = f"GET {TIMESTAMP} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{service.port}", version]
    ended = subprocess.run(
        [*command, "-msg", "-ign_eof"],
        input=request,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode == status, ended.stderr
    return ended.stdout + ended.stderr


def test_requests_are_not_logged(served):
    """Neither a failed handshake nor a request leaves a trace in the log."""
    service, _, _, live = served
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
    assert {each["event"] for each in service.events()} <= {"serving", "listening"}


def test_read_back_over_tls(served, certificates):
    """Publications are read back under the certificate's name."""
    service, _, world, _ = served
    bundle = world.submit({("tables", 2): world.ceremony.role("tables", 2)})
    until((world.folder.results / f"{bundle}.json").exists)
    with handshake(service, certificates[0]) as one:
        assert ask(one, "/metadata/2.tables.json")[0] == 200
    assert service.logged("alarm") == []


def test_certificate_renewal(served, certificates):
    """After SIGHUP new connections get the new certificate.

    A certificate that does not match its key raises an alarm.
    """
    service, workers, _, live = served
    (live / "cert.pem").write_bytes((certificates[1] / "cert.pem").read_bytes())
    service.hang_up(REPLACED if workers == "1" else "alarm")
    (alarm,) = service.logged("alarm")
    assert alarm["error"].startswith("the former certificate stays in use: tls_cert and tls_key")
    with handshake(service, certificates[0]) as kept:
        assert ask(kept)[0] == 200
        (live / "key.pem").write_bytes((certificates[1] / "key.pem").read_bytes())
        service.hang_up(REPLACED if workers == "1" else "the certificate was read again")
        with handshake(service, certificates[1]) as one:
            assert ask(one)[0] == 200
        if workers == "0":
            assert ask(kept)[0] == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(service, certificates[0])
