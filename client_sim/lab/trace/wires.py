"""What a TLS connection shows to an observer on the network, read from the bytes on the wire."""

from collections.abc import Iterator
from dataclasses import dataclass

from client_sim.lab.trace.hello import is_tls, read_hello
from client_sim.lab.trace.ja4 import ja4


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection as the network saw it, from the client to the server.

    `parameters` are lines of `name value`; `sizes` the lengths of the records, in their order.
    `is_reset` says that the client ended it by a reset.
    """

    parameters: bytes
    sizes: bytes
    is_reset: bool = False


def read_wire(data: bytes, *, is_reset: bool = False) -> Wire:
    """Read what a client sent below HTTP; plain text has no parameters and one size."""
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
    """Yield type and length of each record; what follows a broken one counts as one piece."""
    at = 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 3 : at + 5])
        yield b"%d:%d" % (data[at], size)
        at += 5 + size
    if at < len(data):
        yield b"rest:%d" % (len(data) - at)
