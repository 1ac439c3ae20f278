"""A real nginx for tests, with the configurations that this repository ships."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.patience import PATIENCE, until
from tests.ports import free_port

ROOT = Path(__file__).parents[1]
CONFIGURATIONS = ROOT / "deploy" / "nginx"
LONG = f"{PATIENCE:.0f}s"
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
    """Serve a mirror until the block ends; yields the port on loopback."""
    port = free_port()
    ours = {
        "listen 127.0.0.1:8081;": f"listen 127.0.0.1:{port};",
        "root /srv/hening/mirror;": f"root {mirror};",
    }
    # Workers of root's nginx run as another user, who may not read root's temporary folders.
    user = "user root;" if mirror.stat().st_uid == 0 else ""
    with run_site(_shipped("static-mirror.conf", ours), folder, port, user):
        yield port


@contextlib.contextmanager
def run_dialects(out: Path, folder: Path) -> Iterator[int]:
    """Serve exported dialects, without TLS, until the block ends; yields the port on loopback."""
    port = free_port()
    ours = {
        "listen 8443 ssl;": f"listen 127.0.0.1:{port};",
        "    ssl_certificate     /etc/hening/fullchain.pem;": "",
        "    ssl_certificate_key /etc/hening/privkey.pem;": "",
        "    ssl_protocols TLSv1.2 TLSv1.3;": "",
        "root /srv/hening/dialects/files;": f"root {out}/files;",
        "include /srv/hening/dialects/gone.conf;": f"include {out}/gone.conf;",
    }
    user = "user root;" if out.stat().st_uid == 0 else ""
    with run_site(_shipped("dialects.conf", ours), folder, port, user):
        yield port


@contextlib.contextmanager
def run_edge(
    origin: int | Path, certificate: Path, key: Path, folder: Path, over_tls: str = ""
) -> Iterator[int]:
    """Run the cache in front of a device plane's port until the block ends; yields its own port.

    If `origin` is a file, it lists the nodes behind the cache. The cache connects to them by TLS,
    with the configuration lines `over_tls`.
    """
    port = free_port()
    listed = isinstance(origin, Path)
    ours = {
        "server 127.0.0.1:8080;": f"include {origin};" if listed else f"server 127.0.0.1:{origin};",
        "listen 443 ssl default_server;": f"listen 127.0.0.1:{port} ssl default_server;",
        "listen [::]:443 ssl default_server;": "",
        "/etc/hening/fullchain.pem": str(certificate),
        "/etc/hening/privkey.pem": str(key),
        # On a busy machine two hundred clients take longer to connect, or to get an answer.
        "client_header_timeout 10s;": f"client_header_timeout {LONG};",
        "    keepalive_timeout 30s;": f"    keepalive_timeout {LONG};",
        "proxy_connect_timeout 2s;": f"proxy_connect_timeout {LONG};",
        "proxy_read_timeout 20s;": f"proxy_read_timeout {LONG}; proxy_cache_lock_age {LONG};",
        "proxy_cache_lock_timeout 20s;": f"proxy_cache_lock_timeout {LONG};",
        "/var/cache/nginx/hening/metadata": f"{folder}/metadata",
        "/var/cache/nginx/hening/packages": f"{folder}/packages",
    }
    if over_tls:
        for of in ("slice 8m;", "if ($hening_refused) { return 400; }"):
            asks = f"{of}\n        proxy_pass http"
            ours[f"{asks}:"] = f"{asks}s:"
        ours["server_tokens off;"] = f"server_tokens off;\n{over_tls}"
    user = "user root;" if certificate.stat().st_uid == 0 else ""
    with run_site(_shipped("edge.conf", ours), folder, port, user):
        yield port


@contextlib.contextmanager
def run_api_proxy(api: int, urgent: Path, folder: Path) -> Iterator[int]:
    """Run the control plane's proxy without TLS until the block ends; yields its port."""
    port = free_port()
    ours = {
        "server 127.0.0.1:8081;": f"server 127.0.0.1:{api};",
        "unix:/run/hening/urgent.sock;": f"unix:{urgent};",
        "listen 8443 ssl default_server;": f"listen 127.0.0.1:{port};",
        "    ssl_certificate     /etc/hening/fullchain.pem;": "",
        "    ssl_certificate_key /etc/hening/privkey.pem;": "",
    }
    user = "user root;" if urgent.parent.stat().st_uid == 0 else ""
    with run_site(_shipped("api.conf", ours), folder, port, user):
        yield port


@contextlib.contextmanager
def run_cloud_proxy(
    nodes: list[int], certificate: Path, key: Path, folder: Path, rate: str = "5r/s"
) -> Iterator[int]:
    """Run the cloud's proxy in front of nodes' ports until the block ends; yields its port.

    `rate` limits the logins of an address.
    """
    port = free_port()
    shipped = "server 127.0.0.1:8090 max_fails=1 fail_timeout=2s;"
    ours = {
        shipped: "\n    ".join(shipped.replace("8090", str(node)) for node in nodes),
        "listen 9443 ssl default_server;": f"listen 127.0.0.1:{port} ssl default_server;",
        "/etc/hening/fullchain.pem": str(certificate),
        "/etc/hening/privkey.pem": str(key),
        "rate=5r/s;": f"rate={rate};",
        # On a busy machine a node takes longer to answer a connection.
        "proxy_connect_timeout 2s;": f"proxy_connect_timeout {LONG};",
    }
    user = "user root;" if certificate.stat().st_uid == 0 else ""
    with run_site(_shipped("cloud.conf", ours), folder, port, user):
        yield port


PROXY = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://127.0.0.1:{origin};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header Connection "";
        proxy_pass_header Server;
    }}
}}
"""


@contextlib.contextmanager
def run_proxy(origin: int, folder: Path) -> Iterator[int]:
    """Run a typical nginx proxy in front of a port; yields its own port."""
    port = free_port()
    with run_site(PROXY.format(port=port, origin=origin), folder, port, ""):
        yield port


def _shipped(name: str, ours: dict[str, str]) -> str:
    """Return a shipped configuration with texts replaced as in `ours`."""
    site = (CONFIGURATIONS / name).read_text()
    for shipped, own in ours.items():
        assert site.count(shipped) == 1, shipped
        site = site.replace(shipped, own)
    return site


@contextlib.contextmanager
def run_site(site: str, folder: Path, port: int, user: str) -> Iterator[None]:
    """Run nginx with the configuration `site` until the block ends; `user` is a line of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    command = ["nginx", "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"]
    with (
        (folder / "output").open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as nginx,
    ):
        try:
            _wait(port, nginx)
            yield
        finally:
            nginx.terminate()


def _wait(port: int, nginx: "subprocess.Popen[bytes]") -> None:
    def is_open() -> bool:
        assert nginx.poll() is None, "nginx ended: look at its error.log"
        with contextlib.suppress(ConnectionError):
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        return False

    until(is_open)
