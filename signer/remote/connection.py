"""A connection to a server's API: address, requests, answers. No proxies, no redirects."""

import ipaddress
import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import h11

from signer.errors import EnvironmentFailedError, SignerError

_PORTS = {"http": 80, "https": 443}


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


def decode_address(url: str) -> Address:
    """Read `https://HOST[:PORT]`; raises SignerError otherwise, also for http to a remote host.

    Without TLS, an observer on the path could read the token.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        host = parts.hostname or ""
        host.encode("idna")
    except (ValueError, KeyError) as error:
        raise SignerError(f"{url[:200]!r} is no http or https URL.") from error
    if not host or url.removesuffix("/") != f"{parts.scheme}://{parts.netloc}":
        raise SignerError(f"{url[:200]!r} is more than a scheme, a host and a port.")
    if not re.fullmatch("[!-?A-~]+", parts.netloc):  # printable ASCII but "@"
        raise SignerError("The URL of a server holds no user name, no space and only ASCII.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise SignerError(f"The token would cross the network in the clear; use https://{host}.")
    return Address(parts.scheme == "https", host, port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


ANSWER_LIMIT = 1_048_576
"""Bytes of an answer; the operations used here return less than 64 KiB."""
SILENCE_SECONDS = 90.0  # the server hashes a whole package before it answers the last part
_RECEIVE = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers with lower-case names, and the bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """Connects at the first request, and again after an error."""

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
                raise ConnectionResetError("its answer is longer than any that was asked for")
        names = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
        if machine.our_state is h11.DONE and machine.their_state is h11.DONE:
            machine.start_next_cycle()
        else:
            self.close()
        return Answer(response.status_code, names, bytes(data))

    def _connect(self) -> socket.socket:
        address = (self._address.host, self._address.port)
        opened = socket.create_connection(address, SILENCE_SECONDS)
        try:
            if self._context is not None:
                opened = self._context.wrap_socket(opened, server_hostname=self._address.host)
        except BaseException:
            opened.close()
            raise
        self._socket = opened
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
    """The server does not answer, or not as a server with this API would."""
