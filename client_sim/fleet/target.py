"""The server that a fleet polls, and the limits on its load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from client_sim.device.image import is_host
from client_sim.device.internet import is_loopback, resolve
from client_sim.fleet.errors import EnvironmentFailedError, TargetError

REMOTE_DEVICES: Final = 20_000
"""Maximum phones of a fleet that polls a server on another machine."""

REMOTE_POLLS: Final = 50.0
"""Maximum polls per second of all workers, for a server on another machine."""

REMOTE_CONNECTIONS: Final = 32
"""Maximum connections of all workers, including the real code's, to another machine."""

REMOTE_WORKERS: Final = REMOTE_CONNECTIONS // 2
"""Maximum workers that share these connections; each needs one for phones, one for real code."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server that a fleet polls, as the phones' ROM describes it.

    `address` is an IP address of `host`, resolved once for all phones. `authority` is the PEM
    certificate authority for TLS.
    """

    host: str
    port: int
    address: str
    tls: bool
    root: bytes
    authority: str | None = None

    @property
    def host_header(self) -> str:
        """The value of `Host`: with the port unless it is the scheme's default."""
        default = 443 if self.tls else 80
        return self.host if self.port == default else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return is_loopback(self.address)


def find_target(
    url: str,
    root: bytes,
    authority: str | None,
    *,
    devices: int,
    may_leave: bool,
    resolver: Mapping[str, Sequence[str]],
) -> Target:
    """Return the target of a URL `http[s]://HOST[:PORT]`.

    Raises TargetError for an invalid URL, and for a server on another machine unless `may_leave` is
    true, the URL is https and `devices` is within the limit. Raises EnvironmentFailedError for a
    name without an address.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = 0
    is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if parts.scheme not in {"http", "https"} or not is_host(host) or not port or not is_plain:
        raise TargetError(f"{url} is not a server's URL: give http://HOST:PORT or https://HOST.")
    address = _resolve(host, resolver)
    target = Target(host, port, address, parts.scheme == "https", root, authority)
    if target.is_local:
        return target
    if not may_leave:
        raise TargetError(
            f"{host} is not on this machine ({address}), and a fleet puts real load on the server"
            " that it polls; if the server is yours, give --load-another-machine."
        )
    if not target.tls:
        raise TargetError(f"{host} is not on this machine, so phones poll it only by https.")
    if devices > REMOTE_DEVICES:
        raise TargetError(
            f"{devices} phones are too many for a server on another machine: at most"
            f" {REMOTE_DEVICES} may poll it."
        )
    return target


def _resolve(host: str, resolver: Mapping[str, Sequence[str]]) -> str:
    if host in resolver:
        return resolver[host][0]
    try:
        addresses = resolve(host)
    except OSError as error:
        raise EnvironmentFailedError(f"{host} has no address: {error}.") from error
    # A name counts as local only if all its addresses are: their order may change at any time.
    return next((each for each in addresses if not is_loopback(each)), addresses[0])
