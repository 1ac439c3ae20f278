"""`edge`: takes lagging device nodes out of the rotation of an nginx."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import ssl
import subprocess
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from server.core.errors import FormatError, HeningError
from server.storage.durable import READABLE, write_durable
from server.storage.errors import StorageError

if TYPE_CHECKING:
    from tuf.api.metadata import Root

LOOK_SECONDS = 2.0
RELOAD_SECONDS = 60
ANSWER_SECONDS = 2.0
GZIP = 31  # zlib's `wbits` for gzip with the largest window
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_TLS = "https://"
_NODE = re.compile(r"(?:https://)?(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


def _check_node(
    _context: click.Context, _parameter: click.Parameter, nodes: tuple[str, ...]
) -> tuple[str, ...]:
    for node in nodes:
        if _NODE.fullmatch(node) is None:
            raise click.BadParameter(f"{node} is not of the form HOST:PORT or https://HOST:PORT.")
    if len({node.startswith(_TLS) for node in nodes}) > 1:
        raise click.BadParameter("nginx uses TLS for all nodes of an upstream, or for none.")
    return nodes


@click.command(
    epilog="Example: hening-server edge --node 10.0.0.11:8080 --node 10.0.0.12:8080 --host"
    " updates.example.org --root 1.root.json --upstream /etc/nginx/hening-nodes.conf --reload"
    " 'systemctl reload nginx'"
)
@click.option(
    "--node",
    "nodes",
    required=True,
    multiple=True,
    callback=_check_node,
    help="A device node, HOST:PORT, or https://HOST:PORT if it has a certificate.",
)
@click.option("--host", required=True, help="The name in the site's public_url.")
@click.option("--root", required=True, type=FILE, help="A root of the site, 1.root.json.")
@click.option(
    "--ca", type=FILE, help="PEM file of the authority that signs for --host.  [default: system]"
)
@click.option(
    "--upstream",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that nginx includes in its `upstream` block.",
)
@click.option(
    "--reload", "command", required=True, help="The command that makes nginx read that file again."
)
@click.option("--once", is_flag=True, help="Ask the nodes once, write the file, and end.")
def edge(
    nodes: tuple[str, ...],
    host: str,
    root: Path,
    ca: Path | None,
    upstream: Path,
    command: str,
    once: bool,
) -> None:
    """Take lagging device nodes out of the rotation of an nginx.

    Each node is asked for its timestamp every two seconds. A node gets no requests while it does
    not answer with a timestamp that the site's keys have signed, or while its timestamp has been
    older than another node's for five seconds. If all nodes lag, all get requests. The command runs
    on the machine of the nginx until it is stopped.
    """
    from server.core.metadata import ROOT_LIMIT, verify_first_root
    from server.rotation import Rotation, encode_upstream
    from server.storage.bounded import read_bounded

    roots: tuple[Root, ...] = (verify_first_root(read_bounded(root, ROOT_LIMIT)).signed,)
    tls = _make_context(ca) if nodes[0].startswith(_TLS) else None
    addresses = [node.removeprefix(_TLS) for node in nodes]
    rotation, before, reported = Rotation(), "", list[str]()
    with ThreadPoolExecutor(len(nodes)) as threads:
        while True:
            probes = list(threads.map(partial(_probe, host=host, tls=tls, roots=roots), addresses))
            roots = max((probe.roots for probe in probes), key=len)
            seen, complaints = {}, list[str]()
            for node, probe in zip(addresses, probes, strict=True):
                seen[node], complaint = _judge(probe, roots)
                complaints += [f"{node}: {complaint}"] if complaint else []
            for complaint in complaints:
                if complaint not in reported:
                    click.echo(complaint, err=True)
            reported = complaints
            active = rotation.plan(seen, time.monotonic())
            lines = encode_upstream({node: node in active for node in addresses})
            if lines != before:
                before = lines
                write_durable(upstream, lines.encode(), mode=READABLE)
                _reload(command)
                out = [node for node in addresses if node not in active]
                others = f"; not {', '.join(out)}" if out else ""
                click.echo(f"{len(active)} of {len(nodes)} nodes are asked{others}.")
            if once:
                return
            time.sleep(LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class _Probe:
    """A node's answer: the roots up to its newest, oldest first, and timestamp or complaint."""

    roots: tuple[Root, ...]
    timestamp: bytes
    complaint: str = ""


def _judge(probe: _Probe, roots: tuple[Root, ...]) -> tuple[tuple[int, int] | None, str]:
    """Return a timestamp's rank; None and the reason if the site's keys have not signed it."""
    from server.rotation import rank_timestamp

    if probe.complaint:
        return None, probe.complaint
    try:
        return rank_timestamp(probe.timestamp, roots), ""
    except HeningError as error:
        return None, str(error)


def _probe(node: str, host: str, tls: ssl.SSLContext | None, roots: tuple[Root, ...]) -> _Probe:
    """Ask a node for the roots after the last of `roots`, and for its timestamp.

    The requests are those of a phone, so that a strict gate answers them.
    """
    from server.core.metadata import ROOT_LIMIT, TIMESTAMP_LIMIT, verify_root
    from server.core.names import metadata_name

    connection = HTTPConnection(node, timeout=ANSWER_SECONDS)
    connection.auto_open = 0  # all requests must use this connection
    try:
        connection.connect()
        with _limited(connection.sock):
            if tls is not None:
                connection.sock = tls.wrap_socket(
                    connection.sock,
                    server_hostname=urlsplit(f"//{host}").hostname,
                    do_handshake_on_connect=False,  # below, where `_limited` can cut it
                )
                connection.sock.do_handshake()
            while True:
                name = metadata_name("root", roots[-1].version + 1)
                status, data = _get(connection, host, name, ROOT_LIMIT)
                if status != HTTPStatus.OK:
                    break
                roots = (*roots, verify_root(data, roots[-1], None).signed)
            status, data = _get(connection, host, "timestamp.json", TIMESTAMP_LIMIT)
    except (OSError, HTTPException, HeningError, zlib.error) as error:
        return _Probe(roots, b"", str(error) or type(error).__name__)
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        return _Probe(roots, b"", f"timestamp.json is answered {status}.")
    return _Probe(roots, data)


def _get(connection: HTTPConnection, host: str, name: str, limit: int) -> tuple[int, bytes]:
    """Return status and body of a metadata file, at most `limit` bytes of it."""
    connection.putrequest("GET", f"/metadata/{name}", skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", host)
    connection.putheader("Accept-Encoding", "gzip")
    connection.endheaders()
    answer = connection.getresponse()
    data = answer.read(limit)
    if answer.headers["Content-Encoding"] == "gzip":
        data = zlib.decompressobj(wbits=GZIP).decompress(data, limit)
    return answer.status, data


def _make_context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise FormatError(f"{ca} has no certificates; give a PEM file.") from error


@contextlib.contextmanager
def _limited(connection: socket.socket) -> Iterator[None]:
    """Cut a connection after ANSWER_SECONDS, because its own timeout applies to each read.

    It uses a second descriptor, because TLS takes over the first.
    """
    with connection.dup() as same:

        def cut() -> None:
            with contextlib.suppress(OSError):  # it was just closed
                same.shutdown(socket.SHUT_RDWR)

        timer = Timer(ANSWER_SECONDS, cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _reload(command: str) -> None:
    try:
        result = subprocess.run(  # noqa: S603 - the command is the operator's
            shlex.split(command),
            capture_output=True,
            text=True,
            check=False,
            timeout=RELOAD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise StorageError(f"`{command}` does not end: check nginx.") from error
    if result.returncode:
        reason = (result.stderr or result.stdout).strip().partition("\n")[0]
        raise StorageError(f"`{command}` ended with {result.returncode}: {reason or 'no reason'}.")
