"""The first message of a TLS client: what a connection shows even where it is encrypted.

RFC 8446 sections 4.1.2 and 4.2, RFC 5246 section 7.4.1.2, RFC 6066 section 3, RFC 7301 section 3.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_HELLO_LIMIT: Final = 65_536
SNI, SIGNATURES, ALPN, TICKET, PSK, EARLY_DATA, VERSIONS = 0, 13, 16, 35, 41, 42, 43
"""Extension types."""


class _EndError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A ClientHello; numbers are those of IANA's registries, in the order of the message.

    `ticket` is the length of the session ticket that a client of TLS 1.2 presents, `has_psk`
    whether one of TLS 1.3 resumes, `session` the session id.
    """

    version: int
    random: bytes
    session: bytes
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...] = ()
    server_name: bytes | None = None
    protocols: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()
    ticket: int = 0
    has_psk: bool = False
    has_early_data: bool = False

    @property
    def resumes(self) -> bool:
        """Whether the client presents something from an earlier session."""
        # A session id next to supported versions is the one of RFC 8446's compatibility mode.
        is_old_session = bool(self.session) and not self.versions
        return self.has_psk or self.ticket > 0 or is_old_session


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = field(default=0)

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise _EndError
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count))

    def vector(self, count: int) -> "_Reader":
        return _Reader(self.take(self.number(count)))

    def numbers(self) -> tuple[int, ...]:
        return tuple(
            int.from_bytes(self.data[at : at + 2]) for at in range(self.at, len(self.data), 2)
        )

    def __bool__(self) -> bool:
        return self.at < len(self.data)


def is_tls(data: bytes) -> bool:
    """Return whether a connection begins as TLS does."""
    return len(data) >= 3 and data[0] == _HANDSHAKE and data[1] == 3 and data[2] <= 4


def read_hello(data: bytes) -> ClientHello | None:
    """Read the ClientHello at the beginning of a connection; None where it is damaged."""
    message = b"".join(_handshake(data))
    try:
        reader = _Reader(message)
        if reader.number(1) != _CLIENT_HELLO:
            return None
        return _read(_Reader(reader.take(reader.number(3))))
    except _EndError:
        return None


def _handshake(data: bytes) -> Iterator[bytes]:
    """Yield the payloads of the first records, as long as they are of the handshake."""
    at = 0
    while is_tls(data[at : at + 5]) and at < _HELLO_LIMIT:
        size = int.from_bytes(data[at + 3 : at + 5])
        yield data[at + 5 : at + 5 + size]
        at += 5 + size


def _read(reader: _Reader) -> ClientHello:
    version, random = reader.number(2), reader.take(32)
    session = reader.take(reader.number(1))
    ciphers = reader.vector(2).numbers()
    reader.vector(1)  # compression
    found: dict[int, _Reader] = {}
    order: list[int] = []
    inner = reader.vector(2) if reader else _Reader(b"")
    while inner:
        kind = inner.number(2)
        order.append(kind)
        found.setdefault(kind, inner.vector(2))
    empty = _Reader(b"")
    return ClientHello(
        version=version,
        random=random,
        session=session,
        ciphers=ciphers,
        extensions=tuple(order),
        server_name=_read_name(found.get(SNI, empty)),
        protocols=tuple(_read_protocols(found.get(ALPN, empty))),
        versions=found[VERSIONS].vector(1).numbers() if VERSIONS in found else (),
        signatures=found[SIGNATURES].vector(2).numbers() if SIGNATURES in found else (),
        ticket=len(found.get(TICKET, empty).data),
        has_psk=PSK in found,
        has_early_data=EARLY_DATA in found,
    )


def _read_name(reader: _Reader) -> bytes | None:
    if not reader:
        return None
    names = reader.vector(2)
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name.data
    return None


def _read_protocols(reader: _Reader) -> Iterator[bytes]:
    names = reader.vector(2) if reader else reader
    while names:
        yield names.vector(1).data
