"""One attempt to deliver: a POST to the address that was checked, and nothing of the answer kept.

A name is resolved once. All its addresses must be public, and the check is repeated where the
socket is made, on the address that it connects to: neither a second look-up nor a literal in the
URL gets around it. Redirects are not followed, proxies not asked, certificates verified.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from server.release.webhooks.addresses import is_public

TIMEOUT_SECONDS = 15.0  # from the look-up to the answer's head; the specification's lower end
USER_AGENT = "hening-server"


class PrivateAddressError(OSError):
    """A webhook leads to an address that not everybody can reach."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended: `error` is empty when it was taken; `gone` says never to come back.

    `retry_after` is that header of a refusal, as it came, and empty without one.
    """

    error: str = ""
    gone: bool = False
    retry_after: str = ""


class CheckedResolver(AbstractResolver):
    """Resolves a name and refuses it where any of its addresses is private."""

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


class Sender:
    """Sends messages; `private` lets them go to private addresses and over plain HTTP."""

    def __init__(
        self,
        *,
        private: bool,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._private = private
        self._resolver = resolver
        self._tls = tls
        self._timeout = timeout

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """Post `body` once and say how that ended; whatever the other side does is no error."""
        try:
            status, retry_after = await self._post(url, headers, body)
        except PrivateAddressError:
            return Attempt("the address is private, and only public ones are told")
        except TimeoutError:
            return Attempt(f"no answer within {self._timeout:g} seconds")
        except aiohttp.ClientConnectorCertificateError:
            return Attempt("the certificate does not hold")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, PrivateAddressError):
                return Attempt("the address is private, and only public ones are told")
            return Attempt("no connection")
        except (aiohttp.ClientError, OSError, ValueError):
            # Never the exception's own words: they quote the URL, whose path may be a secret.
            return Attempt("no HTTP answer")
        if HTTPStatus(200) <= status < HTTPStatus(300):
            return Attempt()
        return Attempt(f"answered {status}", status == HTTPStatus.GONE, retry_after)

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        inner = self._resolver or aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            resolver=inner if self._private else CheckedResolver(inner),
            use_dns_cache=False,
            force_close=True,
            socket_factory=None if self._private else _checked_socket,
            ssl=True if self._tls is None else self._tls,
        )
        async with (
            asyncio.timeout(self._timeout),
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
            # Status and Retry-After are the whole answer: the body is not read, however much comes.
            response.close()
            return response.status, response.headers.get("Retry-After", "")


def _checked_socket(info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddressError
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made
