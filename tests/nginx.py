"""A real nginx for tests, with the configuration that this repository ships."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "deploy" / "nginx" / "static-mirror.conf"
READY_SECONDS = 30.0
MAIN = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
{user}
events {{ }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@contextlib.contextmanager
def run_nginx(mirror: Path, folder: Path) -> Iterator[int]:
    """Serve a mirror until the block ends; gives the port on loopback."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = CONFIGURATION.read_text()
    for shipped, ours in (
        ("listen 127.0.0.1:8081;", f"listen 127.0.0.1:{port};"),
        ("root /srv/hening/mirror;", f"root {mirror};"),
    ):
        assert site.count(shipped) == 1
        site = site.replace(shipped, ours)
    (folder / "site.conf").write_text(site)
    # Workers of root's nginx become somebody else, who may not read root's temporary folders.
    user = "user root;" if mirror.stat().st_uid == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    command = ["nginx", "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
        try:
            _wait(port, nginx)
            yield port
        finally:
            nginx.terminate()


def _wait(port: int, nginx: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert nginx.poll() is None, "nginx ended: look at its error.log"
        with contextlib.suppress(ConnectionError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not listen")
