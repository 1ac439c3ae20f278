"""Types that all apps share (phone, reply, offer), and their HTTP requests.

Redirects are never followed. Each simulated app sends the headers of the real app.
"""

import http.client
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeAlias
from urllib.parse import urlsplit

from client_sim.compat.errors import AwayError, DialectError

SECONDS = 60.0
LIST_LIMIT = 4 << 20  # bytes of a list or a part; some apps have no limit
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class AppPhone:
    """The values of its phone that an app uses.

    `built` is the running build's date in epoch seconds, 0 for older than every build. `vbmeta` is
    the running system's digest, in hex.
    """

    device: str
    channel: str = ""
    version: str = ""
    built: int = 0
    incremental: str = ""
    fingerprint: str = ""
    vbmeta: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, header fields by lower-case name, and body.

    `body` is empty if it was written to a file.
    """

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The media type without parameters."""
        return self.fields.get("content-type", "").partition(";")[0].strip()


@dataclass(frozen=True, slots=True)
class Offer:
    """A package that the app would fetch. Hashes that the app does not use are empty.

    `size` is -1 if the list does not state it. `parts` are offset and size by name, for streaming.
    `fallback` is fetched if this package fails.
    """

    url: str
    datetime: int
    name: str = ""
    size: int = -1
    sha256: str = ""
    md5: str = ""
    version: str = ""
    parts: Mapping[str, tuple[int, int]] | None = None
    fallback: "Offer | None" = None


Sink: TypeAlias = Callable[[Reply], BinaryIO]
"""Takes the head of an answer and returns the file for its body, or raises DialectError."""


class Site(Protocol):
    """Sends requests; `url` is absolute."""

    def get(self, url: str, fields: Mapping[str, str], sink: Sink | None = None) -> Reply:
        """Return the answer to GET; raises AwayError."""


class HttpSite:
    """Sends each request over a new network connection.

    `tls` verifies the server; the default trusts the system's authorities.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = ssl.create_default_context() if tls is None else tls

    def get(self, url: str, fields: Mapping[str, str], sink: Sink | None = None) -> Reply:
        """Return the answer to GET; raises AwayError."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=SECONDS, context=self._tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=SECONDS)
        )
        try:
            connection.putrequest("GET", parts.path or "/", skip_accept_encoding=True)
            for name, value in fields.items():
                connection.putheader(name, value)
            connection.endheaders()
            return _read(connection.getresponse(), sink)
        except (OSError, http.client.HTTPException) as error:
            raise AwayError(f"{url} did not answer: {error}.") from error
        finally:
            connection.close()


def _read(answer: http.client.HTTPResponse, sink: Sink | None) -> Reply:
    fields = {name.lower(): value for name, value in answer.getheaders()}
    if sink is None:
        body = answer.read(LIST_LIMIT + 1)
        if len(body) > LIST_LIMIT:
            raise DialectError(f"the answer has more than {LIST_LIMIT} bytes, the limit of a list.")
        return Reply(answer.status, fields, body)
    head, length = Reply(answer.status, fields, b""), 0
    with sink(head) as file:
        while piece := answer.read(_PIECE):
            length += file.write(piece)
    if fields.get("content-length", str(length)) != str(length):
        raise AwayError(f"the answer ended after {length} bytes; run again to resume.")
    return head


def get_complete(site: Site, url: str, fields: Mapping[str, str]) -> Reply:
    """Return the complete answer; raises DialectError unless status, coding and length are good."""
    reply = site.get(url, fields)
    check_ok(reply, url)
    check_complete(reply, url)
    return reply


def check_members(value: object, texts: Iterable[str], numbers: Iterable[str]) -> None:
    """Raise DialectError unless `value` is an object with these texts and whole numbers."""
    if not isinstance(value, dict):
        raise DialectError("an element is not an object.")
    missing = [name for name in texts if not isinstance(value.get(name), str)]
    missing += [name for name in numbers if type(value.get(name)) is not int]
    if missing:
        raise DialectError(f"an element has no `{missing[0]}`, and the app refuses it.")


def check_ok(reply: Reply, url: str) -> None:
    """Raise DialectError unless the status is 2xx; no app follows a redirect of a list."""
    if not 200 <= reply.status < 300:
        raise DialectError(f"{url} was answered with {reply.status}, but the app needs 200.")


def check_complete(reply: Reply, url: str) -> None:
    """Raise DialectError for a content coding, or a missing or wrong Content-Length."""
    if reply.fields.get("content-encoding", "identity") != "identity":
        raise DialectError(f"{url} was answered in a coding, but the app reads identity alone.")
    if reply.fields.get("content-length") != str(len(reply.body)):
        raise DialectError(f"{url} was answered without the correct Content-Length.")
