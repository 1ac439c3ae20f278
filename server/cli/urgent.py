"""Sends urgent commands to a running server, over the urgent socket of its state folder.

In the server's process halts, pauses and cancels go before all other writes; in another process
they would compete for their turn. If no server answers, the command does the work itself.
"""

import contextlib
import http.client
import socket
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from server.core.errors import HeningError
from server.release.auth.principal import OPERATOR, Principal, encode_operator
from server.release.errors import ConflictError
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

ANSWER_SECONDS = 90.0  # a halt waits at most 60 s for a lease


def ask_server(
    folder: StateFolder,
    principal: Principal,
    path: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> bytes | None:
    """POST `body` to `path` of the server that runs on a state; return the answer's document.

    Returns None if no server takes the request. Raises the server's error if it refuses the
    request, and StorageError if it takes the request but does not answer.
    """
    headers = {
        "Content-Type": "application/json",
        OPERATOR: encode_operator(principal.name.removeprefix("cli:")),
        **(headers or {}),
    }
    with contextlib.closing(_Connection(folder.urgent)) as connection:
        try:
            connection.connect()
        except OSError:  # no server runs, or another user's
            return None
        try:
            connection.request("POST", path, msgspec.json.encode(body), headers)
            response = connection.getresponse()
            reply = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise StorageError(
                "the server took the command but does not answer: run `hening-server change list`,"
                " and repeat the command if it is not there."
            ) from error
    if response.status == HTTPStatus.UNAUTHORIZED:  # the server runs as another user
        return None
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise _error(reply)
    return reply


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("hening", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket; raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _error(document: bytes) -> HeningError:
    from server.release.api.problems import STATUSES, URN, Problem

    problem = msgspec.json.decode(document, type=Problem)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StorageError(problem.detail)
    errors = {name: kind for kind, _, name in STATUSES}
    return errors.get(problem.type.removeprefix(URN), ConflictError)(problem.detail)
