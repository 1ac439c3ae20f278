"""Where a server's API is: https, or plain http where nobody but this machine can listen."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from signer.errors import SignerError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Scheme, host and port of a server."""

    is_tls: bool
    host: str
    port: int

    @property
    def authority(self) -> str:
        """What goes into the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == _PORTS["https" if self.is_tls else "http"]
        return host if is_usual else f"{host}:{self.port}"


def decode_address(url: str) -> Address:
    """Read `https://HOST[:PORT]`; raises SignerError for all else, http beyond loopback included.

    A token in the clear is everybody's on the way.
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
    if "@" in parts.netloc or not parts.netloc.isascii():
        raise SignerError("The URL of a server holds no user name and only ASCII.")
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
