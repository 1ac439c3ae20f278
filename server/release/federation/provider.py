"""The identity provider: fetches and caches its keys, and verifies its ID tokens.

Verification is pure. Source: OpenID Connect Core 1.0 section 3.1.3.7 and Discovery 1.0 sections 3
and 4, with the advice of RFC 8725: fixed algorithms, one audience, no other types of tokens. The
library joserfc implements JOSE.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from server.core.errors import FormatError
from server.release.auth.accounts import SUBJECT_LIMIT
from server.release.errors import AuthenticationError
from server.storage.errors import StorageError

ALGORITHMS = ("ES256", "PS256", "RS256", "Ed25519")
"""Signatures with a public key; no `none`, and no algorithm that could use that key as a secret.

Every provider supports RS256. `EdDSA` does not name the curve, and RFC 9864 deprecates it.
"""
LEEWAY_SECONDS = 60  # the largest accepted difference between the provider's clock and ours
MAX_LIFE_SECONDS = 86_400  # a token cannot be revoked before it expires
TEXT_LIMIT = 8192


@dataclass(frozen=True, slots=True)
class Expected:
    """The required issuer and audience of a token."""

    issuer: str
    audience: str


def load_keys(page: Mapping[str, Any]) -> KeySet:
    """Return the public signing keys of a JWK set; other keys are skipped.

    Raises FormatError for a malformed set, and if it has no such key.
    """
    listed = page.get("keys")
    usable = [
        {name: value for name, value in key.items() if isinstance(value, str)}
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict)
        and key.get("kty") in {"RSA", "EC", "OKP"}
        and key.get("use", "sig") == "sig"
        and isinstance(key.get("kid"), str)
        and "d" not in key
    ]
    try:
        keys = KeySet.import_key_set({"keys": usable})  # type: ignore[typeddict-item] # checked by it
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise FormatError("the identity provider's keys are malformed.") from error
    if not keys.keys:
        raise FormatError("the identity provider has no signing key.")
    return keys


def key_id(text: str) -> str:
    """Return the key id in a token's header; raises FormatError if `text` is not a token."""
    if len(text) > TEXT_LIMIT or text.count(".") != 2:
        raise FormatError("the text is not an ID token.")
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise FormatError("the text is not an ID token.") from error
    found = header.get("kid")
    if not isinstance(found, str):
        raise FormatError("the ID token names no key.")
    return found


def issued_at(text: str) -> int:
    """Return the time at which a verified ID token was issued, in epoch seconds."""
    payload = text.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return int(claims["iat"])


def verify_identity(
    text: str, keys: KeySet, expected: Expected, now: int, nonce: str | None = None
) -> str:
    """Return the subject of an ID token; raises FormatError unless it is valid at `now`.

    With a `nonce`, the token must have been issued for the login that sent this nonce.
    """
    try:
        token = jwt.decode(text, keys, algorithms=list(ALGORITHMS))
        jwt.JWTClaimsRegistry(
            now=now,
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": expected.issuer},
            aud={"essential": True},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(token.claims)
        header, claims = token.header, token.claims
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise FormatError("the ID token is not valid.") from error
    if header.get("typ", "JWT") not in {"JWT", "jwt"} or "events" in claims:
        raise FormatError("the token is not an ID token, but of another type.")
    if claims["aud"] not in (expected.audience, [expected.audience]):
        raise FormatError("the ID token is for another audience.")
    if claims.get("azp", expected.audience) != expected.audience:
        raise FormatError("the ID token was issued to another client.")
    if nonce is not None and claims.get("nonce") != nonce:
        raise FormatError("the ID token was issued for another login.")
    if not 0 < claims["exp"] - claims["iat"] <= MAX_LIFE_SECONDS:
        raise FormatError("the ID token is valid for more than a day.")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_LIMIT:
        raise FormatError("the ID token has no subject.")
    return subject


PAGE_LIMIT = 262_144  # bytes; a discovery page has about 4,000
TIMEOUT = aiohttp.ClientTimeout(total=10)


def check_address(url: str) -> None:
    """Raise FormatError unless `url` is https, or http on this machine."""
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not parts.hostname or parts.username or not (parts.scheme == "https" or is_here):
        raise FormatError("the identity provider's addresses are https://HOST/…, without a user.")


async def fetch_page(url: str) -> dict[str, Any]:
    """Return the JSON object at `url`; raises StorageError if it cannot be fetched."""
    status, page = await _ask("GET", url)
    if status != 200:
        raise StorageError(f"the identity provider answers {status}: check oidc_issuer.")
    return page


async def post_form(
    url: str, fields: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """Send a form to `url`; return the status and the JSON object of the response.

    Raises StorageError if there is no response, or no JSON object in it.
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
                    raise StorageError(
                        f"the identity provider's response exceeds {PAGE_LIMIT} bytes: check"
                        " oidc_issuer."
                    )
            page = json.loads(content)
    except (aiohttp.ClientError, ssl.SSLError, TimeoutError, OSError, ValueError) as error:
        raise StorageError(
            f"the identity provider does not answer ({type(error).__name__}): try again."
        ) from error
    if not isinstance(page, dict):
        raise StorageError("the identity provider does not answer in JSON: check oidc_issuer.")
    return answer.status, page


KEEP_SECONDS = 3600  # how long keys are cached: a withdrawn key stays valid this long
RETRY_SECONDS = 60  # between two fetches for an unknown key id: any client can invent one
PAUSE_SECONDS = 5  # after a failure, so that not every request with a token waits for a fetch
DISCOVERY = "/.well-known/openid-configuration"
Fetch = Callable[[str], Awaitable[Mapping[str, Any]]]


class Provider:
    """Verifies ID tokens of one issuer for one audience. `epoch` returns the time in seconds."""

    def __init__(
        self, expected: Expected, epoch: Callable[[], int], fetch: Fetch = fetch_page
    ) -> None:
        check_address(expected.issuer)
        self.expected = expected
        self._epoch = epoch
        self._fetch = fetch
        self._page: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._known: frozenset[str] = frozenset()
        self._looked = 0
        self._failed: int | None = None
        self._lock = asyncio.Lock()

    async def discover(self) -> Mapping[str, Any]:
        """Return the provider's metadata; raises StorageError if it does not answer."""
        await self._find_keys(None)
        return self._page

    async def verify(self, text: str, nonce: str | None = None) -> str:
        """Return the subject of the ID token `text`, after verifying it; see `verify_identity`.

        Raises AuthenticationError, with the same message for every reason, and StorageError if the
        provider's keys are not cached and it does not answer.
        """
        try:
            keys = await self._find_keys(key_id(text))
            return verify_identity(text, keys, self.expected, self._epoch(), nonce)
        except FormatError:
            raise AuthenticationError(
                "this needs a valid token: ask an admin for one."
            ) from None  # the reason would help an attacker

    async def _find_keys(self, key_id: str | None) -> KeySet:
        """Return the keys; fetch them again if `key_id`, when given, is not cached."""
        # Before taking the lock: invented key ids must not delay tokens whose key is cached.
        if (keys := self._kept(key_id)) is not None:
            return keys
        async with self._lock:
            if (keys := self._kept(key_id)) is not None:
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

    def _kept(self, key_id: str | None) -> KeySet | None:
        """Return the cached keys if they are fresh enough to answer for `key_id`, else None."""
        age = self._epoch() - self._looked
        if self._keys is None or not 0 <= age < KEEP_SECONDS:
            return None
        will_do = key_id is None or key_id in self._known or age < RETRY_SECONDS
        return self._keys if will_do else None

    async def _load(self) -> KeySet:
        issuer = self.expected.issuer
        page = await self._fetch(issuer.rstrip("/") + DISCOVERY)
        address = page.get("jwks_uri")
        if page.get("issuer") != issuer:
            raise StorageError(
                "the identity provider's metadata names another issuer: set oidc_issuer to its"
                " exact name."
            )
        if not isinstance(address, str):
            raise StorageError(
                "the identity provider's metadata has no jwks_uri: set oidc_issuer to a provider"
                " of OpenID Connect."
            )
        try:
            check_address(address)
            keys = load_keys(await self._fetch(address))
        except FormatError as error:
            raise StorageError(str(error)) from error
        self._page = page
        return keys
