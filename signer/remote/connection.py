"""A connection to a server's API: address, requests, answers. No proxies, no redirects.

`Server` retries a request after a lost connection, 429 or 5xx, with pauses that double, and gives
up after several failures without progress. Any other refusal is final. Each request used here may
be repeated.
"""

import ipaddress
import json
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import h11

from signer.errors import EnvironmentFailedError, SignerError

_PORTS = {"http": 80, "https": 443}
PREFIX = "/api/v1"
TRIES = 8  # failures in a row without progress; the pauses between them take a minute in all
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_NO_ROOM = 507


@dataclass(frozen=True, slots=True)
class Address:
    """Scheme, host and port of a server."""

    is_tls: bool
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == _PORTS["https" if self.is_tls else "http"]
        return host if is_usual else f"{host}:{self.port}"


def decode_url(url: str, kind: str) -> Address:
    """Decode `http(s)://HOST[:PORT]`; raises SignerError otherwise.

    `kind` says in messages what the URL is of, such as `server`.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        host = parts.hostname or ""
        host.encode("idna")  # as the DNS lookup will
    except (ValueError, KeyError) as error:
        raise SignerError(f"{url[:200]!r} is not an http or https URL.") from error
    if not host or url.removesuffix("/") != f"{parts.scheme}://{parts.netloc}":
        raise SignerError(f"{url[:200]!r} is more than a scheme, a host and a port.")
    if not re.fullmatch("[!-?A-~]+", parts.netloc):  # printable ASCII except "@"
        raise SignerError(f"The URL of a {kind} must be ASCII without a user name or a space.")
    return Address(parts.scheme == "https", host, port)


def decode_address(url: str) -> Address:
    """Decode `https://HOST[:PORT]`; raises SignerError otherwise, also for http to a remote host.

    Without TLS, an observer on the path could read the token.
    """
    address = decode_url(url, "server")
    if not address.is_tls and not _is_loopback(address.host):
        raise SignerError(f"The token would be sent unencrypted; use https://{address.host}.")
    return address


def open_socket(address: Address, context: ssl.SSLContext | None, seconds: float) -> socket.socket:
    """Open a connection; it times out after `seconds` of silence."""
    opened = socket.create_connection((address.host, address.port), seconds)
    try:
        if context is not None:
            opened = context.wrap_socket(opened, server_hostname=address.host)
    except BaseException:
        opened.close()
        raise
    return opened


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


ANSWER_LIMIT = 1_048_576
"""Limit of an answer in bytes; the operations used here return less than 64 KiB."""
SILENCE_SECONDS = 90.0  # the server hashes a whole package before it answers the last part
_RECEIVE = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers with lower-case names, and the bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """A connection that is opened at the first request, and again after an error."""

    def __init__(self, address: Address, token: str, ca: Path | None) -> None:
        self._address = address
        self._token = token
        self._socket: socket.socket | None = None
        self._machine = h11.Connection(h11.CLIENT)
        self._context = _make_context(ca) if address.is_tls else None

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Iterable[bytes] = (),
        length: int = 0,
    ) -> Answer:
        """Send a request with `length` bytes of `body` and return the answer.

        Raises OSError or h11.RemoteProtocolError when there is no answer, and closes the
        connection.
        """
        try:
            return self._exchange(method, path, headers, body, length)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def _exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Iterable[bytes],
        length: int,
    ) -> Answer:
        opened, machine = self._socket or self._connect(), self._machine
        sent = {
            "Host": self._address.authority,
            "Authorization": f"Bearer {self._token}",
            "Content-Length": str(length),
            **headers,
        }
        request = h11.Request(method=method, target=path, headers=list(sent.items()))
        opened.sendall(machine.send(request) or b"")
        for piece in body:
            opened.sendall(machine.send(h11.Data(data=piece)) or b"")
        machine.send(h11.EndOfMessage())
        response = self._next(opened)
        while isinstance(response, h11.InformationalResponse):
            response = self._next(opened)
        if not isinstance(response, h11.Response):
            raise ConnectionResetError("it ended the connection without an answer")
        data = bytearray()
        while isinstance(event := self._next(opened), h11.Data):
            data += event.data
            if len(data) > ANSWER_LIMIT:
                raise ConnectionResetError("its answer is too long")
        names = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
        if machine.our_state is h11.DONE and machine.their_state is h11.DONE:
            machine.start_next_cycle()
        else:
            self.close()
        return Answer(response.status_code, names, bytes(data))

    def _connect(self) -> socket.socket:
        self._socket = opened = open_socket(self._address, self._context, SILENCE_SECONDS)
        self._machine = h11.Connection(h11.CLIENT)
        return opened

    def _next(self, opened: socket.socket) -> object:
        while (event := self._machine.next_event()) is h11.NEED_DATA:
            data = opened.recv(_RECEIVE)
            if not data and self._machine.their_state is not h11.SEND_BODY:
                raise ConnectionResetError("it ended the connection without a whole answer")
            self._machine.receive_data(data)
        return event


def _make_context(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except ssl.SSLError as error:
        raise EnvironmentFailedError(f"{ca} holds no certificates; give a PEM file.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class ServerRefusal(SignerError):  # noqa: N818 - a refusal is the answer, not a malfunction
    """The server refuses a request; the message is the server's own."""


class ServerUnavailableError(EnvironmentFailedError):
    """The server does not answer, or its answer does not fit this API."""


class Server:
    """Sends requests over `connection`; `pause(seconds)` waits."""

    def __init__(self, connection: Connection, name: str, pause: Callable[[float], None]) -> None:
        self.name = name
        self._connection = connection
        self._pause = pause
        self._failures = 0

    def record_progress(self) -> None:
        """Record progress: the next failure counts as the first one again."""
        self._failures = 0

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        expected: Iterable[int] = (),
    ) -> Answer:
        """Return an answer of 2xx or of an `expected` status.

        Raises ServerRefusal for any other 4xx, ServerUnavailableError when the tries are used up.
        """
        while True:
            pieces = (body,) if body else ()
            answer = self.attempt(method, path, headers or {}, pieces, len(body), expected)
            if answer is not None:
                return answer

    def attempt(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Iterable[bytes],
        length: int,
        expected: Iterable[int] = (),
    ) -> Answer | None:
        """Send a request once; return None, after a pause, if it should be retried."""
        try:
            answer = self._connection.ask(method, PREFIX + path, headers, body, length)
        except ssl.SSLCertVerificationError as error:
            raise ServerUnavailableError(
                f"The certificate of {self.name} is not valid ({error.verify_message}); if it is"
                " from your own authority, give that authority's certificate with --ca."
            ) from error
        except h11.RemoteProtocolError:
            self.wait("it does not speak HTTP/1.1")
            return None
        except OSError as error:
            self.wait(str(error.strerror or error))
            return None
        if 200 <= answer.status < 300 or answer.status in set(expected):
            return answer
        detail = _detail(answer)
        if answer.status == _NO_ROOM:
            raise ServerUnavailableError(f"{self.name} has no room: {detail}")
        if answer.status == 429 or answer.status >= 500:
            self.wait(f"it answers {answer.status}, {detail}", _retry_after(answer))
            return None
        raise ServerRefusal(f"{self.name} refuses: {detail}")

    def wait(self, reason: str, at_least: float = 0) -> None:
        """Pause before a retry, for `at_least` so many seconds; raises after too many failures."""
        self._failures += 1
        if self._failures >= TRIES:
            raise ServerUnavailableError(
                f"{self.name} does not answer ({reason.rstrip('.')}); run the same command again"
                " later: it continues where this one stopped."
            )
        pause = min(_FIRST_PAUSE * 2 ** (self._failures - 1), _LONGEST_PAUSE)
        self._pause(min(max(pause, at_least), _LONGEST_PAUSE))


def decode_answer(answer: Answer, name: str) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ServerUnavailableError(f"{name} does not answer as a hening server does; check --to.")
    return value


def _detail(answer: Answer) -> str:
    try:
        detail = json.loads(answer.body)["detail"]
    except (ValueError, TypeError, KeyError):
        return f"status {answer.status}."
    text = detail if isinstance(detail, str) else f"status {answer.status}."
    return "".join(c if c.isprintable() else "?" for c in text[:2000])


def _retry_after(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
