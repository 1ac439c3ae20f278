"""Answers of the recording server: nothing is new, with metadata from a folder or a server.

Every client gets an answer, so that it continues and sends its remaining requests.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from client_sim.lab.captures.requests import HttpRequest, iterate_requests
from client_sim.lab.errors import EnvironmentFailedError, LabError

Load = Callable[[str], bytes | None]
"""Returns the body of a path, or None if there is none."""

PATH: Final = re.compile(r"/(?:metadata|log)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
"""The paths that are served: metadata and the log, never a package."""

_HEAD_END: Final = b"\r\n\r\n"
_HEAD_LIMIT: Final = 65_536
_LAST_CHUNK: Final = b"0\r\n\r\n"

_LIMIT: Final = 16 * 1024 * 1024  # bytes of a role
_SECONDS: Final = 10.0
_TIMESTAMP: Final = "/metadata/timestamp.json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, its bytes, and whether the connection is closed after it."""

    status: int
    data: bytes
    closes: bool


def find_request(data: bytes) -> HttpRequest | bool:
    """Return the first complete request; True if it is incomplete, False for other bytes."""
    if _HEAD_END not in data:
        return len(data) < _HEAD_LIMIT
    first = next(iterate_requests(data), None)
    if first is None:
        return False
    if b"chunked" in (first.header(b"transfer-encoding") or b"").lower():
        return first if data[: first.end].endswith(_LAST_CHUNK) else True
    length = first.header(b"content-length") or b"0"
    return first if len(first.body) == int(length) or not length.isdigit() else True


def plan_answer(request: HttpRequest, load: Load) -> Answer:
    """Answer a request with metadata if there is any, and otherwise with 404."""
    path = request.target.decode("latin-1")
    is_read = request.method in {b"GET", b"HEAD"} and PATH.fullmatch(path) is not None
    body = load(path) if is_read else None
    closes = (request.header(b"connection") or b"").lower() == b"close"
    closes = closes or request.version != b"HTTP/1.1"
    status = 404 if body is None else 200
    return encode_answer(status, body or b"", closes=closes, has_body=request.method != b"HEAD")


def encode_answer(status: int, body: bytes, *, closes: bool, has_body: bool = True) -> Answer:
    """Return an answer with only the necessary headers."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json", "Cache-Control: no-store"]
    lines += ["Connection: close"] if closes else []
    head = "\r\n".join([*lines, "", ""]).encode()
    return Answer(status, head + body if has_body else head, closes)


def load_source(place: str) -> Load:
    """Return a function that loads from `place`, a folder or `http(s)://HOST`.

    Raise LabError if it is neither or has no timestamp, and EnvironmentFailedError if the server
    does not answer.
    """
    load = _from_server(place) if "://" in place else _from_folder(Path(place))
    if load(_TIMESTAMP) is None:
        raise LabError(f"{place} has no {_TIMESTAMP}: name what a server publishes, or its URL")
    return load


def load_nothing(_path: str) -> bytes | None:
    """Return None for every path; hening's own client still polls, but its poll fails."""
    return None


def _from_folder(folder: Path) -> Load:
    def load(path: str) -> bytes | None:
        file = folder / path.removeprefix("/")
        if not file.is_file() or file.stat().st_size > _LIMIT:
            return None
        return file.read_bytes()

    return load


def _from_server(url: str) -> Load:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise LabError(f"{url} is not a server URL: give http://HOST:PORT or https://HOST")
    base = url.rstrip("/")

    def load(path: str) -> bytes | None:
        # Nothing of the client's request is forwarded; the request is the same for all clients.
        request = Request(base + path, headers={"Accept-Encoding": "identity"})  # noqa: S310 -- checked
        try:
            with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 -- checked above
                body = answer.read(_LIMIT + 1)
        except HTTPError:
            return None
        except (URLError, HTTPException, OSError) as error:
            raise EnvironmentFailedError(
                f"no metadata from {url} ({error}): start it first"
            ) from error
        return body if len(body) <= _LIMIT else None

    return load
