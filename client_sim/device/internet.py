"""The real world: sockets, DNS, TLS, a clock, randomness and a folder for the state."""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Final

from client_sim.persona import Persona
from client_sim.world import Public, Stream

PROTOCOL: Final = "http/1.1"
"""The only protocol that a phone speaks within TLS (ALPN)."""

CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""The cipher suites for TLS 1.2, in this order; those of TLS 1.3 are the library's defaults."""

_CHUNK: Final = 65_536
_UNREAD_LIMIT: Final = 16 * 1024 * 1024  # more than a receive buffer holds

# Seconds without a byte after which a server counts as unreachable.
TIMEOUT: Final = 30.0


class SocketStream:
    """A connected socket, plain or with TLS."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self._wire.sendall(data)

    def recv(self, limit: int) -> bytes:
        """Return received data, at most `limit` bytes, b"" at the end."""
        return self._wire.recv(limit)

    def close(self) -> None:
        """Shut the connection down gracefully, and close the socket.

        A socket that is closed with unread bytes sends a reset, which reveals on the network that
        an answer was aborted. So the writing side is shut down first, and the bytes received so far
        are read. The system refuses bytes that arrive later.
        """
        try:
            self._wire.shutdown(socket.SHUT_WR)
            self._wire.setblocking(False)
            for _ in range(_UNREAD_LIMIT // _CHUNK):
                if not self._wire.recv(_CHUNK):
                    break
        except OSError:
            pass  # nothing more was received, or the connection is gone
        finally:
            self._wire.close()


class RealWorld:
    """A world of real sockets for one phone.

    `resolver` maps names to addresses and replaces DNS for them, in tests and demonstrations.
    `certificate_authority` is the PEM text from the ROM image; without it TLS connections fail.
    """

    def __init__(
        self,
        public: Public,
        state: MutableMapping[str, bytes],
        *,
        now: Callable[[], float],
        entropy: Callable[[int], bytes],
        resolver: Mapping[str, Sequence[str]] | None = None,
        certificate_authority: str | None = None,
    ) -> None:
        self.public = public
        self.personal: Persona | None = None
        self.state = state
        self._now = now
        self._entropy = entropy
        self._resolver = resolver or {}
        self._certificate_authority = certificate_authority

    def now(self) -> float:
        """Return epoch seconds."""
        return self._now()

    def entropy(self, n: int) -> bytes:
        """Return `n` random bytes."""
        return self._entropy(n)

    def resolve(self, host: str) -> Sequence[str]:
        """Return the addresses of `host`; raises OSError."""
        if host in self._resolver:
            return self._resolver[host]
        return resolve(host)

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect; plain text only on loopback. Raises OSError (ssl.SSLError is one)."""
        if tls is None:
            return connect_plain(address, port)
        return connect_tls(address, port, tls, self._certificate_authority)


def resolve(host: str) -> list[str]:
    """Return the system's addresses for a name; raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def connect_plain(address: str, port: int) -> Stream:
    """Connect without TLS, on this machine only; raises OSError."""
    if not is_loopback(address):
        raise OSError("plain text is refused outside this machine")
    return SocketStream(socket.create_connection((address, port), timeout=TIMEOUT))


def is_loopback(address: str) -> bool:
    """Tell whether `address` is a loopback address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def make_tls_context(certificate_authority: str | None) -> ssl.SSLContext:
    """Return a new context, for one connection, with the TLS configuration of every phone.

    TLS 1.2 or 1.3, one list of ciphers, one protocol, no tickets, no resumption, no compression;
    only the image's certificate authority is trusted. Raises OSError if there is none.
    """
    if certificate_authority is None:
        raise OSError("the ROM image holds no certificate authority to check the server with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(":".join(CIPHERS))
    context.set_alpn_protocols([PROTOCOL])
    context.load_verify_locations(cadata=certificate_authority)
    return context


def connect_tls(address: str, port: int, name: str, certificate_authority: str | None) -> Stream:
    """Connect with TLS to the host `name`; raises OSError."""
    context = make_tls_context(certificate_authority)
    wire = socket.create_connection((address, port), timeout=TIMEOUT)
    try:
        # Without it the request waits for the acknowledgement of the handshake, 40 ms or more.
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return SocketStream(context.wrap_socket(wire, server_hostname=name))
    except BaseException:
        wire.close()
        raise
