"""JA4: a TLS client's fingerprint, by which observers tell programs and their versions apart."""

import hashlib
from typing import Final

from client_sim.lab.trace.hello import ALPN, SNI, ClientHello

_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}


def ja4(hello: ClientHello) -> str:
    """Compute the fingerprint of a client over TCP."""
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
    told = ",".join(sorted(f"{number:04x}" for number in extensions if number not in {SNI, ALPN}))
    signatures = ",".join(f"{number:04x}" for number in hello.signatures if not _is_grease(number))
    if signatures:
        told += f"_{signatures}"
    return f"{first}_{_hash(','.join(sorted(f'{n:04x}' for n in ciphers)))}_{_hash(told)}"


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
