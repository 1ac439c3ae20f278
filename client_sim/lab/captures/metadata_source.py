"""Where a recording server takes metadata from: a folder as it is published, or a server."""

from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from client_sim.lab.captures.answering import Load
from client_sim.lab.errors import LabError, SurroundingsError

_LIMIT: Final = 16 * 1024 * 1024  # bytes of a role
_SECONDS: Final = 10.0
_TIMESTAMP: Final = "/metadata/timestamp.json"


def load_source(place: str) -> Load:
    """Return a function that loads from `place`, a folder or `http(s)://HOST`.

    LabError where it is neither, or has no timestamp; SurroundingsError where no server answers.
    """
    load = _from_server(place) if "://" in place else _from_folder(Path(place))
    if load(_TIMESTAMP) is None:
        raise LabError(f"{place} has no {_TIMESTAMP}: name what a server publishes, or its URL")
    return load


def nothing(_path: str) -> bytes | None:
    """Load nothing: our client asks all the same, and refuses the answer."""
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
        raise LabError(f"{url} is no URL of a server: give http://HOST:PORT or https://HOST")
    base = url.rstrip("/")

    def load(path: str) -> bytes | None:
        # Nothing of the client's request is forwarded: the same request for all clients.
        request = Request(base + path, headers={"Accept-Encoding": "identity"})  # noqa: S310 -- checked
        try:
            with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 -- checked above
                body = answer.read(_LIMIT + 1)
        except HTTPError:
            return None
        except (URLError, HTTPException, OSError) as error:
            raise SurroundingsError(f"no metadata from {url} ({error}): start it first") from error
        return body if len(body) <= _LIMIT else None

    return load
