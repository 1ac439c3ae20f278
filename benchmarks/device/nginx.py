"""nginx as a peer: static files with several settings, and a cache in front of hening."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.device.certificate import Certificate
from benchmarks.device.ports import free_port
from benchmarks.device.process import Server, find, running

# Static files, tuned. `tcp_nopush` sends head and body of a small file in one packet, which
# makes nginx faster by a third.
TUNED = (
    "sendfile on; tcp_nopush on; open_file_cache max=1000 inactive=1h; open_file_cache_valid 1h;"
)
PLAIN_SENDFILE = "sendfile on; open_file_cache max=1000 inactive=1h; open_file_cache_valid 1h;"
READING = "sendfile off; open_file_cache max=1000 inactive=1h; open_file_cache_valid 1h;"
DEFAULTS = "sendfile on;"  # as in Debian's nginx.conf, but without its tcp_nopush

_MAIN = """
daemon off;
{user}
worker_processes {processes};
worker_rlimit_nofile 20000;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 15000; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    types {{ application/json json; }}
    {http}
    server {{
        listen 127.0.0.1:{port}{tls} backlog=4096;
        {server}
    }}
}}
"""
_STATIC = """
        root {root};
        gzip_static on;
        gzip_vary on;
        add_header Cache-Control "public, max-age=60";
"""
# As in deploy/nginx/dialects.conf: no content coding, and no validators for later requests.
UNCODED = """
        root {root};
        etag off;
        add_header Last-Modified "";
        add_header Cache-Control "public, max-age=60";
"""
# As in deploy/nginx/edge.conf: hening's own TLS settings; no resumption, which links connections.
_TLS = """
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_session_tickets off;
    ssl_session_cache off;
    ssl_conf_command NumTickets 0;
"""
_CACHE = """
        location / {{
            proxy_pass {scheme}://hening;
            proxy_http_version 1.1;
            proxy_set_header Host 127.0.0.1:{upstream};
            proxy_set_header Connection "";
            proxy_set_header Accept-Encoding $coding;
            proxy_cache hening;
            proxy_cache_key $uri$coding;
            proxy_cache_lock on;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            proxy_ignore_headers Vary;
        }}
"""
_CACHE_HTTP = """
    proxy_cache_path {folder}/cache keys_zone=hening:10m inactive=1h;
    upstream hening {{ server 127.0.0.1:{upstream}; keepalive 16; }}
    map $http_accept_encoding $coding {{ default ""; ~gzip gzip; }}
    sendfile on; tcp_nopush on; open_file_cache max=1000 inactive=1h;
"""


@contextlib.contextmanager
def static_nginx(
    name: str,
    settings: str,
    root: Path,
    folder: Path,
    processes: int = 1,
    server: str = _STATIC,
    certificate: Certificate | None = None,
) -> Iterator[Server]:
    """Serve the files below `root`; over TLS if `certificate` is given."""
    static = server.format(root=root)
    with _running(name, folder, settings, static, processes, certificate) as started:
        yield started


@contextlib.contextmanager
def caching_nginx(
    name: str,
    upstream: int,
    folder: Path,
    certificate: Certificate | None = None,
) -> Iterator[Server]:
    """Cache the answers of the server on port `upstream`; with `certificate`, both use TLS."""
    http = _CACHE_HTTP.format(folder=folder, upstream=upstream)
    cache = _CACHE.format(upstream=upstream, scheme="http" if certificate is None else "https")
    with _running(name, folder, http, cache, certificate=certificate) as server:
        yield server


@contextlib.contextmanager
def _running(
    name: str,
    folder: Path,
    http: str,
    server: str,
    processes: int = 1,
    certificate: Certificate | None = None,
) -> Iterator[Server]:
    program = find("nginx")
    if program is None:
        raise FileNotFoundError("nginx is not installed")
    folder.mkdir(parents=True)
    port = free_port()
    # If started by root, nginx runs its workers as a user that cannot read root's temporary files.
    user = "user root;" if folder.stat().st_uid == 0 else ""
    if certificate is not None:
        http += _TLS.format(chain=certificate.chain, key=certificate.key)
    text = _MAIN.format(
        folder=folder,
        user=user,
        http=http,
        port=port,
        server=server,
        processes=processes,
        tls=" ssl" if certificate is not None else "",
    )
    (folder / "nginx.conf").write_text(text)
    command = [program, "-e", f"{folder}/error.log", "-p", str(folder)]
    command += ["-c", f"{folder}/nginx.conf"]
    with running(name, port, command, cores=(0,), log=folder / "output.log") as started:
        yield started
