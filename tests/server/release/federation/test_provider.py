"""Verification of ID tokens, and how a provider's keys are fetched, cached and renewed."""

import asyncio
import base64
import functools
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from server.core.errors import FormatError
from server.release.errors import AuthenticationError
from server.release.federation.provider import (
    Expected,
    Provider,
    key_id,
    load_keys,
    verify_identity,
)
from server.storage.errors import StorageError
from tests.cases import case, refuse_each

NOW = 1_800_000_000
ISSUER = "https://login.example"
WANTED = Expected(ISSUER, "hening")
CLAIMS = {"iss": ISSUER, "aud": "hening", "sub": "u-1", "iat": NOW, "exp": NOW + 600}
EVERY = ["RS256", "PS256", "ES256", "Ed25519", "RS512"]


@functools.cache
def keys():
    """Make the provider's keys, by id."""
    made = (
        RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig"}),
        ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig"}),
        OKPKey.generate_key("Ed25519", parameters={"kid": "okp", "use": "sig"}),
    )
    return {key.kid: key for key in made}


def sign(kid="rsa", algorithm="RS256", header=(), key=None, **changed):
    """Return a signed token; a claim that is None is left out."""
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    head = {"alg": algorithm, "kid": kid, **dict(header)}
    return jwt.encode(head, claims, key or keys()[kid], algorithms=EVERY)


def page(*made):
    """Return a page with the public parts of keys."""
    return {"keys": [key.as_dict(private=False) for key in made]}


def encode(data):
    """Return the base64url form of a part of a token."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@functools.cache
def published_keys():
    """Return the keys as the server loads them from the provider's page."""
    return load_keys(page(*keys().values()))


def verify(text, now=NOW, nonce=None):
    """Find the key and verify the token, as the server does."""
    assert isinstance(key_id(text), str)
    return verify_identity(text, published_keys(), WANTED, now, nonce)


def test_algorithms():
    """Each allowed algorithm is accepted, and the audience may be a list."""
    allowed = (("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("okp", "Ed25519"))
    for kid, algorithm in allowed:
        assert verify(sign(kid, algorithm)) == "u-1"
    assert verify(sign(aud=["hening"], azp="hening")) == "u-1"


def test_validity_period():
    """A token is valid from issue to expiry, with a minute's tolerance for clocks."""
    text = sign(nbf=NOW)
    for seconds in (-60, 0, 659):
        assert verify(text, NOW + seconds) == "u-1"
    refuse_each(FormatError, lambda seconds: verify(text, NOW + seconds), [-61, 661])


def test_a_nonce():
    """A login's nonce must match; a bearer token's nonce is not checked."""
    text = sign(nonce="n-1")
    assert verify(text) == "u-1"
    assert verify(text, nonce="n-1") == "u-1"
    others = [text, sign(), sign(nonce=1), sign(nonce="")]
    refuse_each(FormatError, lambda other: verify(other, nonce="n-2"), others)


def test_invalid_claims():
    """Wrong issuers, audiences, subjects and times are refused.

    Access tokens and logout tokens are refused, although the provider signed them.
    """
    logout = "http://schemas.openid.net/event/backchannel-logout"
    for claim, values in {
        "iss": ["https://login.example/", "https://evil.example", None],
        "aud": ["other", ["hening", "other"], [], None],
        "azp": ["other"],
        "sub": [None, "", "s" * 256, 7],
        "exp": [None, NOW - 61, "never", NOW + 86_401, 10**400],
        "iat": [None, NOW + 3600, NOW - 86_400 * 30],
        "nbf": [NOW + 3600],
        "events": [{logout: {}}],
    }.items():
        refuse_each(FormatError, lambda value, c=claim: verify(sign(**{c: value})), values)
    kinds = [{"typ": kind} for kind in ("at+jwt", "logout+jwt", "dpop+jwt", "")]
    refuse_each(FormatError, lambda header: verify(sign(header=header)), kinds)
    assert verify(sign(header={"typ": "JWT"})) == "u-1"


def test_invalid_signatures():
    """Foreign keys, unsigned tokens, wrong key types and a public key as secret are refused."""
    stranger = RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig"})
    public = keys()["rsa"].public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head, body, mark = sign().split(".")
    none = encode(b'{"alg":"none","kid":"rsa"}')
    swapped = encode(b'{"alg":"RS256","kid":"ec"}')
    unknown = encode(b'{"alg":"RS256","kid":"x"}')
    keyed = encode(b'{"alg":"HS256","kid":"rsa"}') + f".{body}"
    confused = f"{keyed}.{encode(hmac.digest(public, keyed.encode(), 'sha256'))}"
    bad = [
        *(
            sign(key=stranger),
            sign("rsa", "RS512"),
            confused,
            f"{none}.{body}.",
            f"{none}.{body}.{mark}",
        ),
        *(f"{swapped}.{body}.{mark}", f"{unknown}.{body}.{mark}", f"{head}.{body}."),
        f"{head}.{mark}.{body}",
    ]
    refuse_each(FormatError, verify, bad)


def test_changed_letters_are_refused():
    """A token with any letter changed is refused, except for unused bits of base64."""
    text = sign("ec", "ES256")
    for place, letter in enumerate(text):
        changed = text[:place] + ("A" if letter != "A" else "B") + text[place + 1 :]
        try:
            assert verify(changed) == "u-1"
        except FormatError:
            continue
        assert place == len(text) - 1


@given(st.one_of(st.text(), st.text("abcdefghij.=_-", min_size=3), st.binary().map(repr)))
def test_any_text(text):
    """Any text raises FormatError."""
    with pytest.raises(FormatError):
        verify(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), st.text()),
)
def test_any_json(payload, header):
    """Any JSON in the form of a token raises FormatError."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), b"x"]
    text = ".".join(map(encode, parts))
    with pytest.raises(FormatError):
        verify(text)


def test_unusable_keys_are_ignored():
    """Secret, private and encryption keys are ignored.

    An unusable key does not prevent the use of others.
    """
    secret = {"kty": "oct", "k": "AAAA", "kid": "rsa"}
    bad = [
        *([], [1, None, "x"], [secret], [keys()["rsa"].as_dict(private=True)]),
        [{**keys()["rsa"].as_dict(private=False), "use": "enc"}],
        [{"kty": "RSA", "kid": "x", "n": "", "e": ""}],
        [{"kty": "EC", "kid": "x", "crv": "P-256", "x": "AA", "y": "AA"}],
        [{"kty": "OKP", "kid": "x"}],
    ]
    refuse_each(FormatError, load_keys, [{}, {"keys": None}, *({"keys": each} for each in bad)])
    usable = page(*keys().values())["keys"]
    found = load_keys({"keys": [secret, *usable, {"kty": "new", "kid": "x"}]})
    assert {key.kid for key in found.keys} == {"rsa", "ec", "okp"}


REALM = "https://login.example/realm"
JWKS = "https://keys.example/jwks"


class Site:
    """A provider whose pages the test sets, and a test clock."""

    def __init__(self):
        self.now = 1_800_000_000
        self.fetched = []
        self.pages = {
            f"{REALM}/.well-known/openid-configuration": {"issuer": REALM, "jwks_uri": JWKS}
        }
        self.provider = Provider(Expected(REALM, "hening"), lambda: self.now, self.fetch)

    async def fetch(self, url):
        """Return a page, or raise an error if there is none."""
        self.fetched.append(url)
        if url not in self.pages:
            raise StorageError("the identity provider does not answer: try again.")
        return self.pages[url]

    def publish(self, *made):
        """Publish these keys at the provider."""
        self.pages[JWKS] = page(*made)

    def token(self, key):
        """Sign a token issued now."""
        claims = {
            "iss": REALM,
            "aud": "hening",
            "sub": "u-1",
            "iat": self.now,
            "exp": self.now + 600,
        }
        head = {"alg": "Ed25519", "kid": key.kid}
        return jwt.encode(head, claims, key, algorithms=["Ed25519"])


def make_key(name):
    """Make a signing key."""
    return OKPKey.generate_key("Ed25519", parameters={"kid": name, "use": "sig"})


ONE, TWO = make_key("one"), make_key("two")


@pytest.fixture
def site():
    """Return a provider with one key."""
    made = Site()
    made.publish(ONE)
    return made


async def test_keys_are_cached_for_an_hour(site):
    """The provider's two pages are fetched once an hour, for any number of tokens."""
    for _ in range(3):
        assert await site.provider.verify(site.token(ONE)) == "u-1"
    assert site.fetched == [f"{REALM}/.well-known/openid-configuration", JWKS]
    site.now += 3599
    await site.provider.verify(site.token(ONE))
    assert len(site.fetched) == 2
    site.now += 1
    await site.provider.verify(site.token(ONE))
    assert len(site.fetched) == 4


async def test_a_new_key_is_found(site):
    """An unknown key id causes a fetch, at most once a minute.

    Any caller can invent key ids.
    """
    await site.provider.verify(site.token(ONE))
    site.publish(ONE, TWO)
    with pytest.raises(AuthenticationError):
        await site.provider.verify(site.token(TWO))
    site.now += 60
    assert await site.provider.verify(site.token(TWO)) == "u-1"
    count = len(site.fetched)
    for number in range(20):
        with pytest.raises(AuthenticationError):
            await site.provider.verify(site.token(make_key(f"x{number}")))
    assert len(site.fetched) == count


async def test_invented_key_ids_delay_no_known_key(site):
    """Tokens of known keys do not wait for a fetch that hangs.

    After a failed fetch, others wait a minute.
    """
    site.publish(ONE)
    await site.provider.verify(site.token(ONE))
    site.now += 120
    hanging, going_on = asyncio.Event(), asyncio.Event()
    fetch = site.fetch

    async def hang(url):
        site.fetched.append(url)
        hanging.set()
        await going_on.wait()
        raise StorageError("the identity provider does not answer: try again.")

    site.provider._fetch = hang
    count = len(site.fetched)
    invented = asyncio.create_task(site.provider.verify(site.token(TWO)))
    await hanging.wait()
    assert await site.provider.verify(site.token(ONE)) == "u-1"
    site.now += 60  # the fetch ends long after its begin
    going_on.set()
    with pytest.raises(StorageError, match="does not answer"):
        await invented
    for _ in range(3):
        with pytest.raises(StorageError, match="a moment ago"):
            await site.provider.verify(site.token(TWO))
    assert len(site.fetched) == count + 1
    site.provider._fetch = fetch


async def test_a_withdrawn_key_is_forgotten(site):
    """A key that the provider withdrew is refused after an hour at the latest."""
    await site.provider.verify(site.token(ONE))
    site.publish(TWO)
    site.now += 3600
    with pytest.raises(AuthenticationError):
        await site.provider.verify(site.token(ONE))


async def test_provider_outage(site):
    """During an outage known keys are used; without keys, it is an error without a new request."""
    await site.provider.verify(site.token(ONE))
    pages, site.pages = site.pages, {}
    assert await site.provider.verify(site.token(ONE)) == "u-1"
    site.now += 3600
    count = len(site.fetched)
    for _ in range(5):
        with pytest.raises(StorageError):
            await site.provider.verify(site.token(ONE))
    assert len(site.fetched) == count + 1
    site.pages = pages
    site.now += 5
    assert await site.provider.verify(site.token(ONE)) == "u-1"


async def test_invalid_metadata():
    """Metadata of another issuer, or without a key address over TLS, is refused."""
    address = f"{REALM}/.well-known/openid-configuration"
    for content, sentence in (
        ({}, "another issuer"),
        ({"issuer": "https://evil.example", "jwks_uri": JWKS}, "another issuer"),
        ({"issuer": REALM}, "no jwks_uri"),
        ({"issuer": REALM, "jwks_uri": 1}, "no jwks_uri"),
        ({"issuer": REALM, "jwks_uri": "http://keys.example/jwks"}, "https"),
        ({"issuer": REALM, "jwks_uri": "file:///etc/passwd"}, "https"),
    ):
        site = Site()
        site.pages[address] = content
        with case(content), pytest.raises(StorageError, match=sentence):
            await site.provider.verify(site.token(ONE))
        assert site.fetched == [address]


async def test_malformed_tokens_cause_no_fetch(site):
    """A text without a key id causes no fetch; an issuer must be an https URL."""
    for text in ("", "a.b.c", "..", "e30.e30.e30"):
        with pytest.raises(AuthenticationError):
            await site.provider.verify(text)
    assert site.fetched == []
    bad = ["", "login.example", "http://login.example", "ftp://x", "https://u:p@login.example"]
    refuse_each(
        FormatError,
        lambda issuer: Provider(Expected(issuer, "hening"), lambda: 0),
        bad,
        "https://HOST",
    )
