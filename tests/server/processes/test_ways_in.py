"""Other ways to a worker than a port: sockets that were passed, a Unix socket, TLS."""

import shutil
import socket
import ssl
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from server.processes.sockets import bind_tcp
from tests.nginx import free_port, run_site
from tests.server.processes.service import (
    PATIENCE,
    REPLACED,
    TIMESTAMP,
    ask,
    read_answer,
    serving,
    until,
)
from tests.server.release.certificate import write_certificate

#: Puts sockets where systemd does, and becomes the server.
PASS = """
import os, sys
passed, *command = sys.argv[1:]
for place, descriptor in enumerate(passed.split(","), 3):
    os.dup2(int(descriptor), place)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(place - 2)}
os.execv(command[0], command)
"""
SITE = """
server {{
    listen 127.0.0.1:{port};
    access_log off;
    location / {{
        proxy_pass http://unix:{path}:;
        proxy_http_version 1.1;
        proxy_set_header Host updates.example;
        proxy_set_header Connection "";
    }}
}}
"""


def passing(sockets):
    """Return how the server is begun with sockets that this process opened."""
    high = [one.fileno() for one in sockets]
    numbers = ",".join(map(str, high))
    return {"prefix": (sys.executable, "-c", PASS, numbers), "pass_fds": high}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_passed_sockets(world, tmp_path, workers):
    """A server ends and another begins on the same sockets: who asks in between is answered."""
    sockets = bind_tcp("127.0.0.1", 0, 2)
    port = sockets[0].getsockname()[1]
    for one in sockets:
        one.setblocking(True)
    with serving(world, tmp_path, "--workers", workers, **passing(sockets)) as service:
        assert service.port == port
        assert {service.poll()[0] for _ in range(20)} == {200}
    waiting = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(20)]
    for one in waiting:
        one.sendall(f"GET {TIMESTAMP} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
    with serving(world, tmp_path, "--workers", workers, **passing(sockets)):
        for one in waiting:
            with one:
                assert read_answer(one)[0] == 200
    for one in sockets:
        one.close()


def test_sockets_that_cannot_be_served_on(world, tmp_path):
    """One sentence, and nothing is begun."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as datagrams:
        way = passing([datagrams])
        command = [*way["prefix"], sys.executable, "-c", "from server.cli import main; main()"]
        ended = subprocess.run(
            [*command, "run", "--state", world.folder.root],
            pass_fds=way["pass_fds"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        "hening-server: the socket passed as descriptor 3 does not listen for streams: use"
        " ListenStream= and Accept=no.\n"
    )
    del tmp_path


@pytest.mark.needs("curl")
@pytest.mark.needs("nginx")
def test_a_unix_socket(world, tmp_path):
    """A curl and an nginx in front are answered through it, whichever worker takes them."""
    path = tmp_path / "s" / "hening.sock"
    path.parent.mkdir()
    with serving(world, tmp_path, "--workers", "2", "--socket", str(path)) as service:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        command = ["curl", "-sS", "--unix-socket", path, f"http://updates.example{TIMESTAMP}"]
        plain = subprocess.run(command, check=True, capture_output=True).stdout
        assert plain == (world.folder.public / TIMESTAMP[1:]).read_bytes()
        port = free_port()
        # Who may connect is whoever the socket's group is: here it is root, or this user.
        user = "user root;" if path.stat().st_uid == 0 else ""
        with run_site(SITE.format(port=port, path=path), tmp_path / "nginx", port, user):
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as one:
                    assert {ask(one)[0] for _ in range(10)} == {200}
                service.hang_up()
        assert service.poll()[0] == 200
    assert not path.exists()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Give two certificates for loopback."""
    made = []
    for name in ("first", "second"):
        folder = tmp_path_factory.mktemp(name)
        write_certificate(folder)
        made.append(folder)
    return made


def handshake(service, certificate):
    """Connect as a client that trusts this certificate alone."""
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context.wrap_socket(service.connect(), server_hostname="127.0.0.1")


def tls_options(live, port):
    """Return the options for TLS; the server reads itself back by its own certificate."""
    files = ("--tls-cert", str(live / "cert.pem"), "--tls-key", str(live / "key.pem"))
    return ("--port", str(port), *files, "--public-url", f"https://127.0.0.1:{port}")


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_tls(world, tmp_path, certificates, workers):
    """TLS 1.3 and HTTP/1.1 alone, no ticket; SIGHUP shows the new certificate if there is one."""
    live = tmp_path / "live"
    shutil.copytree(certificates[0], live)
    options = tls_options(live, free_port())
    with serving(world, tmp_path, "--workers", workers, *options) as service:
        with handshake(service, certificates[0]) as one:
            assert ask(one)[0] == 200
            assert (one.version(), one.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        assert "NewSessionTicket" not in s_client(service, "-tls1_3", status=0)
        assert "Cipher is (NONE)" in s_client(service, "-tls1_2", status=1)
        (live / "cert.pem").write_bytes((certificates[1] / "cert.pem").read_bytes())
        service.hang_up(REPLACED if workers == "1" else "alarm")
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
    (alarm,) = service.logged("alarm")
    assert alarm["error"].startswith("the certificate stays the former one: tls_cert and tls_key")


def s_client(service, version, status):
    """Return what openssl says of every message of a connection that asks once."""
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
    if status == 0:
        assert "HTTP/1.1 200 OK" in ended.stdout
        assert "Certificate" in ended.stdout
    return ended.stdout + ended.stderr


def test_a_publication_over_tls(world, tmp_path, certificates):
    """What is published is read back by the certificate's name."""
    port = free_port()
    trust = {"SSL_CERT_FILE": str(certificates[0] / "cert.pem")}
    options = tls_options(certificates[0], port)
    with serving(world, tmp_path, "--workers", "1", *options, environment=trust) as service:
        bundle = world.submit({("tables", 2): world.ceremony.role("tables", 2)})
        until((world.folder.results / f"{bundle}.json").exists)
        with handshake(service, certificates[0]) as one:
            assert ask(one, "/metadata/2.tables.json")[0] == 200
    assert service.logged("alarm") == []


def test_a_service_manager_is_told(world, tmp_path):
    """That the server is ready when phones are answered, and that it stops."""
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(PATIENCE)
        told = {"NOTIFY_SOCKET": str(address)}
        with serving(world, tmp_path, "--workers", "1", environment=told) as service:
            assert manager.recv(100) == b"READY=1"
            assert service.poll()[0] == 200
        assert manager.recv(100) == b"STOPPING=1"
