"""Which texts are valid ID tokens: everything else is refused, by one error."""

import base64
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from server.core.errors import FormatError
from server.release.federation.identity import Expected, key_id, load_keys, verify_identity
from tests.cases import refuse_each

NOW = 1_800_000_000
ISSUER = "https://login.example"
WANTED = Expected(ISSUER, "hening")
RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig"})
OKP = OKPKey.generate_key("Ed25519", parameters={"kid": "okp", "use": "sig"})
STRANGER = RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig"})
PAGE = {"keys": [key.as_dict(private=False) for key in (RSA, EC, OKP)]}
KEYS = load_keys(PAGE)
CLAIMS = {"iss": ISSUER, "aud": "hening", "sub": "u-1", "iat": NOW, "exp": NOW + 600}
EVERY = ["RS256", "PS256", "ES256", "Ed25519", "RS512"]


def sign(key=RSA, algorithm="RS256", header=(), **changed):
    """Return a token; a claim that is None is omitted."""
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    head = {"alg": algorithm, "kid": key.kid, **dict(header)}
    return jwt.encode(head, claims, key, algorithms=EVERY)


def encode(data):
    """Return the decoded form of a part of a token."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def verify(text, now=NOW):
    """Verify as the server does: first find the key, then check the token."""
    assert isinstance(key_id(text), str)
    return verify_identity(text, KEYS, WANTED, now)


def test_each_signature():
    """The subject is returned, whichever allowed algorithm signs; an audience may be a list."""
    for key, algorithm in ((RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (OKP, "Ed25519")):
        assert verify(sign(key, algorithm)) == "u-1"
    assert verify(sign(aud=["hening"], azp="hening")) == "u-1"


def test_the_time():
    """From issue to expiry, with a minute for clocks that differ."""
    text = sign(nbf=NOW)
    for seconds in (-60, 0, 659):
        assert verify(text, NOW + seconds) == "u-1"
    refuse_each(FormatError, lambda seconds: verify(text, NOW + seconds), [-61, 661])


def test_a_nonce():
    """For a login the nonce must match; a bearer token's nonce is not checked."""
    text = sign(nonce="n-1")
    assert verify(text) == "u-1"
    assert verify_identity(text, KEYS, WANTED, NOW, "n-1") == "u-1"
    for other in (text, sign(), sign(nonce=1), sign(nonce="")):
        with pytest.raises(FormatError):
            verify_identity(other, KEYS, WANTED, NOW, "n-2")


def test_claims_that_do_not_hold():
    """Another issuer or audience, no subject, a wrong time, another kind of token.

    An access token or a logout token is no ID token, although the provider signed it.
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


def test_signatures_that_do_not_hold():
    """A foreign key, no signature, a key of another kind, a public key used as a secret."""
    public = RSA.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head, body, mark = sign().split(".")
    none = encode(b'{"alg":"none","kid":"rsa"}')
    swapped = encode(b'{"alg":"RS256","kid":"ec"}')
    unknown = encode(b'{"alg":"RS256","kid":"x"}')
    keyed = encode(b'{"alg":"HS256","kid":"rsa"}') + f".{body}"
    confused = f"{keyed}.{encode(hmac.digest(public, keyed.encode(), 'sha256'))}"
    bad = [
        *(sign(STRANGER), sign(RSA, "RS512"), confused, f"{none}.{body}.", f"{none}.{body}.{mark}"),
        *(f"{swapped}.{body}.{mark}", f"{unknown}.{body}.{mark}", f"{head}.{body}."),
        f"{head}.{mark}.{body}",
    ]
    refuse_each(FormatError, verify, bad)


def test_every_letter_counts():
    """A token with one letter changed is refused, except for unused bits of base64."""
    text = sign(EC, "ES256")
    for place, letter in enumerate(text):
        changed = text[:place] + ("A" if letter != "A" else "B") + text[place + 1 :]
        try:
            assert verify(changed) == "u-1"
        except FormatError:
            continue
        assert place == len(text) - 1


@given(st.one_of(st.text(), st.text("abcdefghij.=_-", min_size=3), st.binary().map(repr)))
def test_any_text(text):
    """Any text raises the one error."""
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
    """So do texts in the form of a token."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), b"x"]
    text = ".".join(map(encode, parts))
    with pytest.raises(FormatError):
        verify(text)


def test_pages_without_a_key():
    """Secret, private and encryption keys are skipped; malformed ones are an error.

    An unusable key does not prevent the use of others.
    """
    secret = {"kty": "oct", "k": "AAAA", "kid": "rsa"}
    bad = [
        *([], [1, None, "x"], [secret], [RSA.as_dict(private=True)]),
        [{**RSA.as_dict(private=False), "use": "enc"}],
        [{"kty": "RSA", "kid": "x", "n": "", "e": ""}],
        [{"kty": "EC", "kid": "x", "crv": "P-256", "x": "AA", "y": "AA"}],
        [{"kty": "OKP", "kid": "x"}],
    ]
    refuse_each(FormatError, load_keys, [{}, {"keys": None}, *({"keys": each} for each in bad)])
    keys = load_keys({"keys": [secret, *PAGE["keys"], {"kty": "new", "kid": "x"}]})
    assert {key.kid for key in keys.keys} == {"rsa", "ec", "okp"}
