"""Verifies ID tokens of the provider for this server; pure.

Source: OpenID Connect Core 1.0 section 3.1.3.7, with RFC 8725's advice: fixed algorithms, one
audience, no token of another kind. JOSE itself is joserfc's.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from server.core.errors import FormatError
from server.release.auth.accounts import SUBJECT_LIMIT

ALGORITHMS = ("ES256", "PS256", "RS256", "Ed25519")
"""Signatures with a public key; no `none`, and no algorithm that could use that key as a secret.

Every provider has RS256. `EdDSA` does not name the curve and is deprecated by RFC 9864.
"""
LEEWAY_SECONDS = 60  # by how much the provider's clock may differ from ours
MAX_LIFE_SECONDS = 86_400  # a token cannot be revoked before it expires
TEXT_LIMIT = 8192


@dataclass(frozen=True, slots=True)
class Expected:
    """The required issuer and audience of a token."""

    issuer: str
    audience: str


def load_keys(page: Mapping[str, Any]) -> KeySet:
    """Return the signing keys of a JWK set; others, above all secret ones, are skipped.

    Raises FormatError where there is none.
    """
    listed = page.get("keys")
    wanted = [
        {name: value for name, value in key.items() if isinstance(value, str)}
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict)
        and key.get("kty") in {"RSA", "EC", "OKP"}
        and key.get("use", "sig") == "sig"
        and isinstance(key.get("kid"), str)
        and "d" not in key
    ]
    try:
        keys = KeySet.import_key_set({"keys": wanted})  # type: ignore[typeddict-item] # checked by it
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise FormatError("the identity provider's keys are malformed.") from error
    if not keys.keys:
        raise FormatError("the identity provider has no key that signs.")
    return keys


def key_id(text: str) -> str:
    """Return the key id in a token's header; raises FormatError for what is no token."""
    if len(text) > TEXT_LIMIT or text.count(".") != 2:
        raise FormatError("the text is no ID token.")
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise FormatError("the text is no ID token.") from error
    found = header.get("kid")
    if not isinstance(found, str):
        raise FormatError("the ID token names no key.")
    return found


def issued_at(text: str) -> int:
    """Return when a verified ID token was issued, in epoch seconds."""
    payload = text.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return int(claims["iat"])


def verify_identity(
    text: str, keys: KeySet, expected: Expected, now: int, nonce: str | None = None
) -> str:
    """Return the subject of an ID token; raises FormatError unless it is valid at `now`.

    With a `nonce` the token must have been made for the login that sent it.
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
        raise FormatError("the ID token does not hold.") from error
    if header.get("typ", "JWT") not in {"JWT", "jwt"} or "events" in claims:
        raise FormatError("the token is of another kind than an ID token.")
    if claims["aud"] not in (expected.audience, [expected.audience]):
        raise FormatError("the ID token is for another audience.")
    if claims.get("azp", expected.audience) != expected.audience:
        raise FormatError("the ID token was issued to another client.")
    if nonce is not None and claims.get("nonce") != nonce:
        raise FormatError("the ID token was made for another login.")
    if not 0 < claims["exp"] - claims["iat"] <= MAX_LIFE_SECONDS:
        raise FormatError("the ID token lives for more than a day.")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_LIMIT:
        raise FormatError("the ID token has no subject.")
    return subject
