"""ClientHello messages, JA4 fingerprints, and what else a network sees of a connection.

RFC 8446 sections 4.1.2 and 4.2, RFC 5246 section 7.4.1.2, RFC 6066 section 3, RFC 7301 section 3.1.
Network observers use JA4 fingerprints to distinguish programs and their versions.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_HELLO_LIMIT: Final = 65_536
SNI, SIGNATURES, ALPN, TICKET, PSK, EARLY_DATA, VERSIONS = 0, 13, 16, 35, 41, 42, 43
"""Extension types."""

_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}


class _EndError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A ClientHello; numbers are IANA's, in the order of the message.

    `ticket` is the length in bytes of the session ticket that a TLS 1.2 client presents. `has_psk`
    says whether a TLS 1.3 client resumes a session. `session` is the session id.
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
        # With supported_versions, the session id is only there for RFC 8446's compatibility mode.
        is_old_session = bool(self.session) and not self.versions
        return self.has_psk or self.ticket > 0 or is_old_session


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

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
    """Return whether the first bytes of a connection are a TLS handshake record."""
    return len(data) >= 3 and data[0] == _HANDSHAKE and data[1] == 3 and data[2] <= 4


def read_hello(data: bytes) -> ClientHello | None:
    """Read the ClientHello at the beginning of a connection; None if it is malformed."""
    message = b"".join(_handshake(data))
    try:
        reader = _Reader(message)
        if reader.number(1) != _CLIENT_HELLO:
            return None
        return _read(_Reader(reader.take(reader.number(3))))
    except _EndError:
        return None


def _handshake(data: bytes) -> Iterator[bytes]:
    """Yield the payloads of the leading handshake records."""
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


def ja4(hello: ClientHello) -> str:
    """Compute the JA4 fingerprint of a client over TCP."""
    ciphers = [number for number in hello.ciphers if not _is_grease(number)]
    extensions = [number for number in hello.extensions if not _is_grease(number)]
    version = max((v for v in hello.versions if not _is_grease(v)), default=hello.version)
    first = "".join(
        (
            "t",
            _VERSIONS.get(version, "00"),
            "d" if SNI in extensions else "i",
            f"{min(len(ciphers), 99):02}{min(len(extensions), 99):02}",
            _protocol(hello.protocols),
        )
    )
    details = ",".join(
        sorted(f"{number:04x}" for number in extensions if number not in {SNI, ALPN})
    )
    signatures = ",".join(f"{number:04x}" for number in hello.signatures if not _is_grease(number))
    if signatures:
        details += f"_{signatures}"
    return f"{first}_{_hash(','.join(sorted(f'{n:04x}' for n in ciphers)))}_{_hash(details)}"


def _protocol(protocols: tuple[bytes, ...]) -> str:
    if not protocols or not protocols[0]:
        return "00"
    name = protocols[0]
    ends = name[:1] + name[-1:]
    if ends.isalnum() and ends.isascii():
        return ends.decode()
    return name.hex()[0] + name.hex()[-1]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


def _is_grease(number: int) -> bool:
    """Return whether a number is a GREASE value of RFC 8701, which has no meaning."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection as the network sees it, from the client to the server.

    `parameters` are lines of `name value`; `sizes` are the types and lengths of the records, in
    order. `is_reset` says whether the client ended the connection by a reset.
    """

    parameters: bytes
    sizes: bytes
    is_reset: bool = False


def read_wire(data: bytes, *, is_reset: bool = False) -> Wire:
    """Return the network's view of a client's bytes; plain text has one size and no parameters."""
    if not is_tls(data):
        return Wire(b"plain text", b"%d" % len(data), is_reset)
    return Wire("\n".join(_parameters(data)).encode(), b" ".join(_sizes(data)), is_reset)


def _parameters(data: bytes) -> Iterator[str]:
    hello = read_hello(data)
    if hello is None:
        yield "hello damaged"
        return
    yield f"name {(hello.server_name or b'none').decode('latin-1')}"
    yield f"protocols {' '.join(name.decode('latin-1') for name in hello.protocols) or 'none'}"
    yield f"version {hello.version:04x}"
    yield f"versions {_hex(hello.versions)}"
    yield f"ciphers {_hex(hello.ciphers)}"
    yield f"extensions {_hex(hello.extensions)}"
    yield f"signatures {_hex(hello.signatures)}"
    yield f"ja4 {ja4(hello)}"
    yield f"resumes {'yes' if hello.resumes else 'no'}"
    yield f"early-data {'yes' if hello.has_early_data else 'no'}"


def _hex(numbers: tuple[int, ...]) -> str:
    return " ".join(f"{number:04x}" for number in numbers) or "none"


def _sizes(data: bytes) -> Iterator[bytes]:
    """Yield `type:length` of each record; a truncated record header is one `rest` piece."""
    at = 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 3 : at + 5])
        yield b"%d:%d" % (data[at], size)
        at += 5 + size
    if at < len(data):
        yield b"rest:%d" % (len(data) - at)
