"""Where a server under examination is, and from which addresses it is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from client_sim.lab.errors import LabError

FRESH: Final = 6  # drawn loopback addresses: in 98 % of draws they differ in a given bit


@dataclass(frozen=True, slots=True)
class Site:
    """A server: `host` is what `Host` says, `name` what TLS says, `address` where it listens."""

    host: str
    name: str
    address: str
    port: int
    tls: bool

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, so that any address of 127/8 may ask it."""
        return self.address == "localhost" or self.address.startswith("127.")


def plan_site(url: str, host: str | None = None) -> Site:
    """Read `http://ADDRESS:PORT` or `https://…`; `host` is the name where that is another one.

    Raises LabError for any other URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise LabError(f"{url} is no URL: write http://HOST:PORT") from None
    bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or not bare or "@" in url:
        raise LabError(f"{url} is not http://HOST:PORT or https://HOST:PORT, with no path")
    tls = parts.scheme == "https"
    return Site(
        host=parts.netloc if host is None else host,
        name=parts.hostname if host is None else host.partition(":")[0],
        address=parts.hostname,
        port=port or (443 if tls else 80),
        tls=tls,
    )


def plan_sources(site: Site, given: tuple[str, ...], entropy: Callable[[int], bytes]) -> list[str]:
    """List the addresses to ask from, the one for planted requests first.

    What was given; else on loopback fresh ones, 127.0.0.1 and 127.0.0.2; else the empty string,
    which lets the system choose.
    """
    if given:
        return list(given)
    if not site.is_loopback:
        return [""]
    fresh = [str(IPv4Address(0x7F404040 | int.from_bytes(entropy(3), "big"))) for _ in range(FRESH)]
    return [*fresh, "127.0.0.1", "127.0.0.2"]


def read_source(value: str) -> str:
    """Check an address to ask from; raises LabError."""
    try:
        return str(ip_address(value))
    except ValueError:
        raise LabError(f"{value} is no address of this machine, such as 192.0.2.7") from None
