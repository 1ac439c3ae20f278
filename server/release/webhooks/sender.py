"""One attempt to deliver: a POST to a checked address. The response body is not read.

A host name is resolved once, and all its addresses must be public. The address that the socket
connects to is checked again, so neither DNS rebinding nor an IP literal in the URL bypasses the
check. Redirects and proxies are not followed, and certificates are verified.
"""

import asyncio
import socket
import ssl
from dataclasses import KW_ONLY, dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from server.release.webhooks.urls import is_public

# From the name resolution to the response headers; the least that Standard Webhooks recommends.
TIMEOUT_SECONDS = 15.0
USER_AGENT = "hening-server"


class PrivateAddressError(OSError):
    """A webhook resolves to an address that is not publicly routable."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one attempt. `error` is empty on success.

    `gone` says that the receiver answered 410: send nothing more. `retry_after` is the Retry-After
    header of a failed attempt, unparsed; empty if there is none.
    """

    error: str = ""
    gone: bool = False
    retry_after: str = ""


class CheckedResolver(AbstractResolver):
    """Resolves names, and refuses a name if any of its addresses is private."""

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
        """Post `body` once and return the result; failures are in the result, not raised."""
        try:
            status, retry_after = await self._post(url, headers, body)
        except PrivateAddressError:
            return Attempt("the address is private, and events go to public ones only")
        except TimeoutError:
            return Attempt(f"no answer within {self.timeout:g} seconds")
        except aiohttp.ClientConnectorCertificateError:
            return Attempt("the certificate is not valid")
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
            # Only status and Retry-After are needed: close without reading the body.
            response.close()
            return response.status, response.headers.get("Retry-After", "")


def _checked_socket(info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddressError
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    return sock
