"""Workers reached through passed sockets and through a Unix socket."""

import socket
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from server.processes.sockets import bind_tcp
from tests.nginx import run_site
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.server.processes.service import COMMAND, TIMESTAMP, ask, read_answer, serving

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


def passing_sockets(sockets):
    """Return the command that starts the server with sockets opened by this process."""
    high = [one.fileno() for one in sockets]
    numbers = ",".join(map(str, high))
    return {"prefix": (sys.executable, "-c", PASS, numbers), "pass_fds": high}


def test_restart_on_passed_sockets(world, tmp_path):
    """A restart on passed sockets loses no request.

    The first server has no workers, the second has. The service manager is notified when the server
    is ready and when it stops.
    """
    sockets = bind_tcp("127.0.0.1", 0, 2)
    port = sockets[0].getsockname()[1]
    for one in sockets:
        one.setblocking(True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        options = {
            "environment": {"NOTIFY_SOCKET": str(tmp_path / "notify")},
            **passing_sockets(sockets),
        }
        with serving(world, tmp_path, "--workers", "0", **options) as service:
            assert manager.recv(100) == b"READY=1"
            assert service.port == port
            assert {service.poll()[0] for _ in range(20)} == {200}
        assert manager.recv(100) == b"STOPPING=1"
        waiting = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(20)]
        for one in waiting:
            one.sendall(f"GET {TIMESTAMP} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
        with serving(world, tmp_path, "--workers", "2", **options):
            assert manager.recv(100) == b"READY=1"
            for one in waiting:
                with one:
                    assert read_answer(one)[0] == 200
        assert manager.recv(100) == b"STOPPING=1"
    for one in sockets:
        one.close()


def test_unusable_passed_socket(world):
    """Unusable sockets give one error message, and nothing is started."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as datagrams:
        options = passing_sockets([datagrams])
        command = [*options["prefix"], *COMMAND]
        ended = subprocess.run(
            [*command, "run", "--state", world.folder.root],
            pass_fds=options["pass_fds"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        "hening-server: the socket passed as descriptor 3 does not listen for streams: use"
        " ListenStream= and Accept=no.\n"
    )


@pytest.mark.needs("curl")
@pytest.mark.needs("nginx")
def test_unix_socket_behind_nginx(world, tmp_path, programs):
    """Through the Unix socket, curl and nginx get answers from any worker."""
    path = tmp_path / "s" / "hening.sock"
    path.parent.mkdir()
    options = ("--workers", "2", "--socket", str(path))
    with serving(world, tmp_path, *options, programs=programs) as service:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        command = ["curl", "-sS", "--unix-socket", path, f"http://updates.example{TIMESTAMP}"]
        plain = subprocess.run(command, check=True, capture_output=True).stdout
        assert plain == (world.folder.public / TIMESTAMP[1:]).read_bytes()
        port = free_port()
        # Any member of the socket's group may connect: here it is root, or this user.
        user = "user root;" if path.stat().st_uid == 0 else ""
        with run_site(SITE.format(port=port, path=path), tmp_path / "nginx", port, user):
            for is_renewed in (False, True):
                if is_renewed:
                    service.hang_up()
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as one:
                    assert {ask(one)[0] for _ in range(10)} == {200}
        assert service.poll()[0] == 200
    assert not path.exists()
