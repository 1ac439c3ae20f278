"""`edge`: keeps the nodes that lag out of an nginx's rotation."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import subprocess
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Timer

import click

from server.core.errors import HeningError
from server.rotation import Rotation, encode_upstream
from server.storage.durable import READABLE, write_durable
from server.storage.errors import StorageError

LOOK_SECONDS = 2.0
RELOAD_SECONDS = 60
ANSWER_SECONDS = 2.0
GZIP = 31  # zlib's name of the format, with the largest window
_NODE = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


def _check_node(
    _context: click.Context, _parameter: click.Parameter, nodes: tuple[str, ...]
) -> tuple[str, ...]:
    for node in nodes:
        if _NODE.fullmatch(node) is None:
            raise click.BadParameter(f"{node} is not of the form HOST:PORT.")
    return nodes


@click.command(
    epilog="Example: hening-server edge --node 10.0.0.11:8080 --node 10.0.0.12:8080 --host"
    " updates.example.org --upstream /etc/nginx/hening-nodes.conf --reload 'systemctl reload nginx'"
)
@click.option(
    "--node", "nodes", required=True, multiple=True, callback=_check_node, help="A device node."
)
@click.option("--host", required=True, help="The name in the site's public_url.")
@click.option(
    "--upstream",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that nginx includes in its `upstream` block.",
)
@click.option("--reload", "command", required=True, help="Makes nginx read that file again.")
@click.option("--once", is_flag=True, help="Look once, write the file, and end.")
def edge(nodes: tuple[str, ...], host: str, upstream: Path, command: str, once: bool) -> None:
    """Take device nodes that lag out of an nginx's rotation.

    Each is asked for its timestamp every two seconds. A node that does not answer, or whose
    timestamp is older than another node's for five seconds, gets no more requests until it has
    caught up. Where all lag, all are asked. It runs on the machine of the nginx until it is ended.
    """
    rotation, before = Rotation(), ""
    with ThreadPoolExecutor(len(nodes)) as threads:
        while True:
            seen = dict(zip(nodes, threads.map(lambda node: _ask(node, host), nodes), strict=True))
            asked = rotation.plan(seen, time.monotonic())
            lines = encode_upstream({node: node in asked for node in nodes})
            if lines != before:
                before = lines
                write_durable(upstream, lines.encode(), mode=READABLE)
                _reload(command)
                out = [node for node in nodes if node not in asked]
                click.echo(f"{len(asked)} of {len(nodes)} nodes are asked" + _but(out))
            if once:
                return
            time.sleep(LOOK_SECONDS)


def _ask(node: str, host: str) -> int | None:
    """Return the version of a node's timestamp; None where it does not answer with one.

    The request is a phone's, so that a strict gate answers it.
    """
    from server.core.metadata import TIMESTAMP_LIMIT, decode_timestamp

    connection = HTTPConnection(node, timeout=ANSWER_SECONDS)
    try:
        connection.connect()
        with _limited(connection.sock):
            connection.putrequest(
                "GET", "/metadata/timestamp.json", skip_host=True, skip_accept_encoding=True
            )
            connection.putheader("Host", host)
            connection.putheader("Accept-Encoding", "gzip")
            connection.endheaders()
            answer = connection.getresponse()
            data = answer.read(TIMESTAMP_LIMIT)
        if answer.status != HTTPStatus.OK:
            return None
        if answer.headers["Content-Encoding"] == "gzip":
            data = zlib.decompressobj(wbits=GZIP).decompress(data, TIMESTAMP_LIMIT)
        return decode_timestamp(data).signed.version
    except (OSError, HTTPException, HeningError, zlib.error):
        return None
    finally:
        connection.close()


@contextlib.contextmanager
def _limited(connection: socket.socket) -> Iterator[None]:
    """Cut a connection after `ANSWER_SECONDS`: its own limit is for each byte."""

    def cut() -> None:
        with contextlib.suppress(OSError):  # it was closed just now
            connection.shutdown(socket.SHUT_RDWR)

    timer = Timer(ANSWER_SECONDS, cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _reload(command: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            shlex.split(command),
            capture_output=True,
            text=True,
            check=False,
            timeout=RELOAD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise StorageError(f"`{command}` does not end: look at nginx.") from error
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().partition("\n")[0]
        raise StorageError(f"`{command}` ended with {done.returncode}: {reason or 'no reason'}.")


def _but(out: list[str]) -> str:
    return f"; not {', '.join(out)}." if out else "."
