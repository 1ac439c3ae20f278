"""Fetching the provider's public pages: small, quick, without a redirect, over TLS."""

import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from server.core.errors import FormatError
from server.storage.errors import StorageError

PAGE_LIMIT = 262_144  # octets; a discovery page has about 4,000
TIMEOUT = aiohttp.ClientTimeout(total=10)


def check_address(url: str) -> None:
    """Raise FormatError unless `url` is https, or http on this machine."""
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not parts.hostname or parts.username or not (parts.scheme == "https" or is_here):
        raise FormatError("the identity provider's addresses are https://HOST/…, without a user.")


async def fetch_page(url: str) -> dict[str, Any]:
    """Return the JSON object at `url`; raises StorageError where it cannot be had."""
    status, page = await _ask("GET", url)
    if status != 200:
        raise StorageError(f"the identity provider answers {status}: see oidc_issuer.")
    return page


async def post_form(
    url: str, fields: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """Send a form to `url`; returns the status and the JSON object of the answer.

    Raises StorageError where there is none.
    """
    return await _ask("POST", url, data=fields, headers=headers)


async def _ask(
    method: str,
    url: str,
    data: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    check_address(url)
    sent = {"Accept": "application/json", "User-Agent": "hening", **(headers or {})}
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, url, data=data, allow_redirects=False, headers=sent) as answer,
        ):
            octets = bytearray()
            async for piece in answer.content.iter_chunked(16_384):
                octets += piece
                if len(octets) > PAGE_LIMIT:
                    raise StorageError("the identity provider sends too much: see oidc_issuer.")
            page = json.loads(octets)
    except (aiohttp.ClientError, ssl.SSLError, TimeoutError, OSError, ValueError) as error:
        raise StorageError(
            f"the identity provider does not answer ({type(error).__name__}): try again."
        ) from error
    if not isinstance(page, dict):
        raise StorageError("the identity provider answers with no JSON object: see oidc_issuer.")
    return answer.status, page
