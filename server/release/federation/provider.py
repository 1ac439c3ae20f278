"""The identity provider: its keys, found by discovery and cached.

Source: OpenID Connect Discovery 1.0 sections 3 and 4.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from joserfc.jwk import KeySet

from server.core.errors import FormatError
from server.release.errors import AuthenticationError
from server.release.federation.identity import Expected, key_id, load_keys, verify_identity
from server.storage.errors import StorageError

PAGE_LIMIT = 262_144  # bytes; a discovery page has about 4,000
TIMEOUT = aiohttp.ClientTimeout(total=10)


def check_address(url: str) -> None:
    """Raise FormatError unless `url` is https, or http on this machine."""
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not parts.hostname or parts.username or not (parts.scheme == "https" or is_here):
        raise FormatError("the identity provider's addresses are https://HOST/…, without a user.")


async def fetch_page(url: str) -> dict[str, Any]:
    """Return the JSON object at `url`; raises StorageError where it cannot be fetched."""
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
            content = bytearray()
            async for piece in answer.content.iter_chunked(16_384):
                content += piece
                if len(content) > PAGE_LIMIT:
                    raise StorageError("the identity provider sends too much: see oidc_issuer.")
            page = json.loads(content)
    except (aiohttp.ClientError, ssl.SSLError, TimeoutError, OSError, ValueError) as error:
        raise StorageError(
            f"the identity provider does not answer ({type(error).__name__}): try again."
        ) from error
    if not isinstance(page, dict):
        raise StorageError("the identity provider answers with no JSON object: see oidc_issuer.")
    return answer.status, page


KEEP_SECONDS = 3600  # a key that the provider withdrew stays valid that long
RETRY_SECONDS = 60  # between two searches for an unknown key: any client can name one
PAUSE_SECONDS = 5  # after a failure: clients with tokens must not cause a request and a wait each
DISCOVERY = "/.well-known/openid-configuration"
Fetch = Callable[[str], Awaitable[Mapping[str, Any]]]


class Provider:
    """Verifies ID tokens of one issuer for one audience. `epoch` returns the time in seconds."""

    def __init__(
        self, expected: Expected, epoch: Callable[[], int], fetch: Fetch = fetch_page
    ) -> None:
        check_address(expected.issuer)
        self._expected = expected
        self._epoch = epoch
        self._fetch = fetch
        self._page: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._known: frozenset[str] = frozenset()
        self._looked = 0
        self._failed: int | None = None
        self._lock = asyncio.Lock()

    @property
    def expected(self) -> Expected:
        """The required issuer and audience of its ID tokens."""
        return self._expected

    async def discover(self) -> Mapping[str, Any]:
        """Return the provider's metadata; StorageError where it does not answer."""
        await self._find_keys(None)
        return self._page

    async def verify(self, text: str, nonce: str | None = None) -> str:
        """Return the subject of the valid ID token `text`, made for the login of `nonce` if given.

        Raises AuthenticationError, with one sentence for every reason; StorageError where the
        provider does not answer and its keys are not cached.
        """
        try:
            keys = await self._find_keys(key_id(text))
            return verify_identity(text, keys, self._expected, self._epoch(), nonce)
        except FormatError:
            raise AuthenticationError(
                "this needs a valid token: ask an admin for one."
            ) from None  # the reason would help an attacker

    async def _find_keys(self, wanted: str | None) -> KeySet:
        """Return the keys, fetched again where `wanted` is not among them; None accepts any."""
        # Outside of the lock: invented key ids must not delay tokens whose key is known.
        if (keys := self._kept(wanted)) is not None:
            return keys
        async with self._lock:
            if (keys := self._kept(wanted)) is not None:
                return keys
            if self._failed is not None and 0 <= self._epoch() - self._failed < PAUSE_SECONDS:
                raise StorageError("the identity provider did not answer a moment ago: try again.")
            try:
                self._keys = await self._load()
            except StorageError:
                self._failed = self._epoch()
                raise
            self._known = frozenset(str(key.kid) for key in self._keys.keys)
            self._looked = self._epoch()
            return self._keys

    def _kept(self, wanted: str | None) -> KeySet | None:
        """Return the cached keys, where they are still good."""
        age = self._epoch() - self._looked
        if self._keys is None or not 0 <= age < KEEP_SECONDS:
            return None
        will_do = wanted is None or wanted in self._known or age < RETRY_SECONDS
        return self._keys if will_do else None

    async def _load(self) -> KeySet:
        issuer = self._expected.issuer
        page = await self._fetch(issuer.rstrip("/") + DISCOVERY)
        address = page.get("jwks_uri")
        if page.get("issuer") != issuer or not isinstance(address, str):
            raise StorageError(
                "the identity provider calls itself otherwise: oidc_issuer is its exact name."
            )
        try:
            check_address(address)
            keys = load_keys(await self._fetch(address))
        except FormatError as error:
            raise StorageError(str(error)) from error
        self._page = page
        return keys
