"""One attempt to deliver: a POST to a checked address, storing nothing of the answer.

A name is resolved once. All its addresses must be public, and the check is repeated on the address
that the socket connects to: neither a second look-up nor a literal in the URL gets around it.
Redirects and proxies are not used, certificates are verified.
"""

import asyncio
import re
import socket
import ssl
from dataclasses import KW_ONLY, dataclass
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from server.core.errors import FormatError

MAX_URL = 2000  # characters
TIMEOUT_SECONDS = 15.0  # from the look-up to the answer's head; the specification's lower end
USER_AGENT = "hening-server"
_HOST = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?:(?P<name>{_HOST})|\[(?P<six>[0-9a-f:.]{{2,45}})\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_SPECIAL_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays, given up
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, AS112 and others
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


def is_public(address: str) -> bool:
    """Answer whether an address in text form is publicly routable.

    IPv6 addresses that embed an IPv4 address (mapped, NAT64, 6to4, Teredo) are not, nor are
    addresses with a zone.
    """
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _SPECIAL_V4)
    if found.scope_id is not None or found not in _GLOBAL_V6:
        return False
    return not any(found in network for network in _SPECIAL_V6)


def check_url(url: str, *, private: bool) -> None:
    """Raise FormatError unless a webhook may have this address.

    It is `https://HOST[:PORT][/PATH][?QUERY]` in lower case up to the path, without user or
    fragment; `http` only where `private` addresses are allowed. A name is not resolved here: each
    delivery checks the very address that it connects to.
    """
    match = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None or int(match["port"] or 1) > 65_535:
        raise FormatError(
            "a webhook's address is https://HOST[:PORT][/PATH][?QUERY], without user or fragment,"
            f" in ASCII and at most {MAX_URL} characters."
        )
    if match["scheme"] != "https" and not private:
        raise FormatError("a webhook's address begins with https://.")
    host = match["six"] or match["name"]
    is_literal = match["six"] is not None or _NUMERIC.fullmatch(host) is not None
    if is_literal and not _is_canonical(host):
        raise FormatError("a webhook's address has a number for a host that is no IP address.")
    if is_literal and not private and not is_public(host):
        raise FormatError("a webhook's address is private: events go to public ones only.")


def _is_canonical(host: str) -> bool:
    """Answer whether a literal has its canonical form: `127.1` and `0x7f.1` are loopback, too."""
    try:
        return ip_network(host).network_address.compressed == host
    except ValueError:
        return False


class PrivateAddressError(OSError):
    """A webhook resolves to an address that is not publicly routable."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one attempt: `error` is empty on success; `gone` asks to stop for good.

    `retry_after` is that header of a refusal, unparsed, and empty without one.
    """

    error: str = ""
    gone: bool = False
    retry_after: str = ""


class CheckedResolver(AbstractResolver):
    """Resolves a name and refuses it if any of its addresses is private."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return all addresses of `host`; raise PrivateAddressError if one of them is private."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(result["host"]) for result in found):
            raise PrivateAddressError
        return found

    async def close(self) -> None:
        """Release the resolver."""
        await self._resolver.close()


@dataclass(eq=False)
class Sender:
    """Sends messages; `private` allows private addresses and plain HTTP."""

    _: KW_ONLY
    private: bool
    resolver: AbstractResolver | None = None
    tls: ssl.SSLContext | None = None
    timeout: float = TIMEOUT_SECONDS

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """Post `body` once and return the result; a failure of the receiver raises nothing."""
        try:
            status, retry_after = await self._post(url, headers, body)
        except PrivateAddressError:
            return Attempt("the address is private, and events go to public ones only")
        except TimeoutError:
            return Attempt(f"no answer within {self.timeout:g} seconds")
        except aiohttp.ClientConnectorCertificateError:
            return Attempt("the certificate does not hold")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, PrivateAddressError):
                return Attempt("the address is private, and events go to public ones only")
            return Attempt("no connection")
        except (aiohttp.ClientError, OSError, ValueError):
            # Never the exception's text: it quotes the URL, whose path may be a secret.
            return Attempt("no HTTP answer")
        if HTTPStatus(200) <= status < HTTPStatus(300):
            return Attempt()
        return Attempt(f"answered {status}", status == HTTPStatus.GONE, retry_after)

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        inner = self.resolver or aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            resolver=inner if self.private else CheckedResolver(inner),
            use_dns_cache=False,
            force_close=True,
            socket_factory=None if self.private else _checked_socket,
            ssl=True if self.tls is None else self.tls,
        )
        async with (
            asyncio.timeout(self.timeout),
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
                skip_auto_headers=("Accept", "Accept-Encoding"),
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            # Only status and Retry-After count: the body is not read, whatever its length.
            response.close()
            return response.status, response.headers.get("Retry-After", "")


def _checked_socket(info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddressError
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made
