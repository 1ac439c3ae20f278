"""Fetching the provider's public pages: small, quick, without a redirect, over TLS."""

import json
import ssl
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
    check_address(url)
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(
                url,
                allow_redirects=False,
                headers={"Accept": "application/json", "User-Agent": "hening"},
            ) as answer,
        ):
            data = bytearray()
            async for piece in answer.content.iter_chunked(16_384):
                data += piece
                if len(data) > PAGE_LIMIT:
                    raise StorageError("the identity provider sends too much: see oidc_issuer.")
            if answer.status != 200:
                raise StorageError(
                    f"the identity provider answers {answer.status}: see oidc_issuer."
                )
            page = json.loads(data)
    except (aiohttp.ClientError, ssl.SSLError, TimeoutError, OSError, ValueError) as error:
        raise StorageError(
            f"the identity provider does not answer ({type(error).__name__}): try again."
        ) from error
    if not isinstance(page, dict):
        raise StorageError("the identity provider answers with no JSON object: see oidc_issuer.")
    return page
