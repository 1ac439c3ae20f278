"""Fetches files below a URL, one connection each, with the phone's limits on answers.

Unlike a phone it accepts any base URL, HTTP/1.0 and servers that state no length. It supports only
plain HTTP on this machine: a conformance suite runs its own server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from client_sim.device.answer import AnswerReader
from client_sim.device.errors import TransportError, UnreachableError
from client_sim.device.internet import connect_plain, resolve
from client_sim.device.workflow import ROOT_LIMIT

_SECONDS: Final = 120.0
# Characters that are not escaped in a URL's path and query.
_SAFE: Final = "!$%&'()*+,-./:;=?@_~"
# Statuses of missing files: some object stores answer 403 for them.
_ABSENT: Final = (403, 404)
_NOT_FOUND_LIMIT: Final = 16_384


@dataclass(frozen=True, slots=True)
class Web:
    """Files below `base`; `now` is a clock in epoch seconds."""

    base: str
    now: Callable[[], float]

    def get(self, name: str, limit: int) -> bytes:
        """Return at most `limit` bytes of a file; raises TransportError."""
        body = self.find(name, limit)
        if body is None:
            raise TransportError(f"The server has no {name!a}.")
        return body

    def find(self, name: str, limit: int) -> bytes | None:
        """Return at most `limit` bytes of a file, or None if it does not exist."""
        base = self.base if self.base.endswith("/") else f"{self.base}/"
        try:
            url = urlsplit(base + name)
            host, port = url.hostname, url.port
        except ValueError as error:
            raise TransportError(f"{self.base!a} is no URL: {error}.") from error
        if url.scheme != "http" or host is None:
            raise TransportError(f"{self.base!a} is no http:// URL of a server on this machine.")
        target = quote(url.path + (f"?{url.query}" if url.query else ""), safe=_SAFE)
        try:
            stream = connect_plain(resolve(host)[0], 80 if port is None else port)
        except OSError as error:
            raise UnreachableError(f"{host} cannot be reached: {error}.") from error
        try:
            reader = AnswerReader(stream, self.now, lenient=True)
            authority = url.netloc.rpartition("@")[2]
            reader.expect(target, authority)
            stream.send(
                f"GET {target} HTTP/1.1\r\nHost: {authority}\r\n"
                "Accept-Encoding: gzip\r\n\r\n".encode("ascii")
            )
            answer = reader.read(
                limit=max(limit, _NOT_FOUND_LIMIT), seconds=_SECONDS, may_compress=True
            )
        except OSError as error:
            raise UnreachableError(f"The connection to {host} broke: {error}.") from error
        finally:
            stream.close()
        if answer.status in _ABSENT:
            return None
        if answer.status != 200:
            raise TransportError(f"The server answered {answer.status} for {name!a}.")
        if len(answer.body) > limit:
            raise TransportError(f"The server's answer is longer than {limit} bytes.")
        return answer.body


@dataclass(frozen=True, slots=True)
class Metadata:
    """A repository's metadata as a source for the workflow."""

    web: Web

    def find_root(self, version: int) -> bytes | None:
        """Return a version of root, or None if it does not exist."""
        return self.web.find(f"{version}.root.json", ROOT_LIMIT)

    def fetch(self, role: str, version: int | None, limit: int) -> bytes:
        """Return at most `limit` bytes of a role."""
        name = f"{quote(role, safe='')}.json"
        return self.web.get(name if version is None else f"{version}.{name}", limit)
