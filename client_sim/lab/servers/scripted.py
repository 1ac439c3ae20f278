"""Scripted servers: `respond`, which has nothing new, and `ListeningServer` with real sockets.

The answers of `respond` contain everything that a client could send back: a validator, a cookie, a
date, a link. `ListeningServer` serves any responder on loopback, with or without TLS by an
authority of the run, and records the received bytes.
"""

import socket
import ssl
import struct
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client_sim.lab.errors import EnvironmentFailedError
from client_sim.lab.trace.memory import Request, Responder
from client_sim.lab.trace.sockets import PATIENCE, Acceptor

_TIMESTAMP: Final = b'{"signatures":[],"signed":{}}'
_TRAPS: Final = (
    b'ETag: "0123456789abcdef0123456789abcdef"\r\n'
    b"Set-Cookie: sid=fedcba9876543210; Path=/\r\n"
    b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b'Link: </metadata/timestamp.json?v=7>; rel="canonical"\r\n'
)

_CHUNK: Final = 65_536
_END: Final = b"\r\n\r\n"
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER with zero time, so that close sends a reset


def respond(request: Request) -> bytes:
    """Answer a request in a world without sockets."""
    return answer(request.data)


def answer(request: bytes) -> bytes:
    """Answer each request head with 200 for the timestamp and 404 for everything else."""
    heads = request.split(b"\r\n\r\n")[:-1]
    return b"".join(_answer_one(head.split(b"\r\n", 1)[0]) for head in heads)


def _answer_one(line: bytes) -> bytes:
    if b" /metadata/timestamp.json" in line:
        return _response(b"200 OK", _TIMESTAMP)
    return _response(b"404 Not Found", b"")


def _response(status: bytes, body: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + _TRAPS + length + b"\r\n" + body


class ListeningServer(Acceptor):
    """A server that listens at `address` while its context is active.

    `respond` is called as soon as a head has arrived, with the time from `now`.
    """

    def __init__(
        self, respond: Responder, now: Callable[[], float], context: ssl.SSLContext | None
    ) -> None:
        super().__init__()
        self._respond = respond
        self._now = now
        self._context = context
        self._received: list[bytes] = []

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.received()

    def received(self, count: int = 0) -> tuple[bytes, ...]:
        """Wait until `count` connections were accepted and all have ended; return their bytes.

        The order is that of the connections. Raise EnvironmentFailedError if one does not end.
        """
        if not self.wait(count):
            raise EnvironmentFailedError("a connection of the lab's own server does not end")
        return tuple(self._received)

    def begin(self, wire: socket.socket, client_port: int) -> Callable[[], None]:
        """Serve a connection."""
        del client_port
        self._received.append(b"")
        number = len(self._received) - 1
        return lambda: self._serve(wire, number)

    def _serve(self, wire: socket.socket, number: int) -> None:
        wire.settimeout(PATIENCE)
        with ExitStack() as stack:
            stack.enter_context(wire)
            name = None
            with suppress(OSError):  # a client may close the connection at any time
                if self._context is not None:
                    wire = stack.enter_context(self._context.wrap_socket(wire, server_side=True))
                    name = "tls"
                self._converse(wire, number, name)

    def _converse(self, wire: socket.socket, number: int, name: str | None) -> None:
        request = b""
        while chunk := wire.recv(_CHUNK):
            self._received[number] += chunk
            request += chunk
            if _END not in request:
                continue
            address, port = self.address
            try:
                answer = self._respond(Request(request, self._now(), number, address, port, name))
            except OSError:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            wire.sendall(answer)
            request = b""


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: `certificate` is the PEM text for the ROM image, `context` the server's TLS context."""

    certificate: str
    context: ssl.SSLContext


def make_authority(host: str, now: float, key_log: Path | None = None) -> Authority:
    """Make a CA and a server certificate for `host`, valid from a day before `now` to a day after.

    The server issues session tickets, so that a client that resumes sessions is found. If `key_log`
    is given, the secrets of each connection are written to it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of one run")])
    authority = _certify(name, name, key.public_key(), key, now, host=None)
    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = _certify(subject, name, own.public_key(), key, now, host=host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if key_log is not None:
        context.keylog_filename = str(key_log)
    with tempfile.NamedTemporaryFile() as file:  # ssl reads certificates only from files
        file.write(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return Authority(authority.public_bytes(serialization.Encoding.PEM).decode(), context)


def _certify(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    by: ec.EllipticCurvePrivateKey,
    now: float,
    *,
    host: str | None,
) -> x509.Certificate:
    at = datetime.fromtimestamp(now, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
        )
    )
    if host is None:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key), critical=False
        ).add_extension(_SIGNS, critical=True)
    else:
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(by, hashes.SHA256())


_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
