import json
import re
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import Key

from server.core.encodings import encode_canonical_json
from signer.errors import KeyStoreError
from signer.keys.key_name import check_key_name
from signer.keys.public_key import (
    PublicKey,
    decode_any,
    decode_public_key,
    encode_as,
    encode_public_key,
)
from tests.cases import case

# RFC 8032 section 7.1, test 1; the id is the sha256 that `sha256sum` gives for
# {"keytype":"ed25519","keyval":{"public":"d75a…511a"},"scheme":"ed25519"}. RFC 8410 section 4 gives
# the head of the PEM form.
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
KEYID = "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916"
KEY = PublicKey("root-1", PUBLIC, "bob")
PEM = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    b"-----END PUBLIC KEY-----\n"
)
TUF = {"keytype": "ed25519", "keyval": {"public": PUBLIC}, "scheme": "ed25519"}
OWN = {"keyid": KEYID, "public": PUBLIC, "schema": 1}
SMALL = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"  # of order 8
seeds = st.binary(min_size=32, max_size=32)


def _public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def _pem(private):
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_key_name() -> None:
    """A name is an offline role and a number."""
    for name, words in {
        **dict.fromkeys(("", "root", "root-0", "root-01", "root-1000"), "is not a key name"),
        **dict.fromkeys(("Root-1", "-1", "a/b-1", "root-1\n", "x" * 40), "is not a key name"),
        **dict.fromkeys(("latest-1", "latest-0-1", "snapshot-1"), "signed by the server"),
        **dict.fromkeys(("mirrors-1", "latest-g-1"), "is not a codename"),
    }.items():
        with case(name), pytest.raises(KeyStoreError, match=words):
            check_key_name(name)
    assert (PublicKey("armani-12", PUBLIC).role, PublicKey("armani-12", PUBLIC).number) == (
        "armani",
        12,
    )


def test_public_key_file_format() -> None:
    """The file is one line of canonical JSON; the TUF key has no holder."""
    assert encode_public_key(PublicKey("root-1", PUBLIC)) == (
        f'{{"keyid":"{KEYID}","public":"{PUBLIC}","schema":1}}\n'.encode()
    )
    key = PublicKey("root-1", PUBLIC, "Bob B. of Solo")
    assert encode_public_key(key) == (
        f'{{"holder":"Bob B. of Solo","keyid":"{KEYID}","public":"{PUBLIC}","schema":1}}\n'.encode()
    )
    assert "Bob" not in str(key.tuf_key.to_dict())
    for change in (
        *({"schema": True}, {"schema": 2}, {"more": 1}, {"keyid": "0" * 64}),
        *({"public": PUBLIC.upper()}, {"public": PUBLIC[:-2]}, {"public": 7}, {"public": SMALL}),
        *({"holder": ""}, {"holder": 7}, {"holder": None}, {"holder": "x" * 41}),
    ):
        with case(change), pytest.raises(KeyStoreError):
            decode_public_key("root-1", encode_canonical_json(OWN | change))


def test_confusable_holder_is_refused() -> None:
    """A holder's name must not look like another one, or like a list."""
    for holder in (
        "\u0430lice",  # a Cyrillic a
        "Bob \u0430nd Carol",
        "b\u03bfb",  # a Greek o
        "\uff41lice",  # a wide a
        "e\u0301va",  # an e and an accent, which look like one letter
        "bob\u3164",  # a letter of Hangul that is blank
        "bob\u202e",  # reverses the text direction
        *("two\nlines", " bob", "bob), root-3 (carol", "a,b", "a;b", "a?b"),
    ):
        with case(holder), pytest.raises(KeyStoreError, match=r"is not a holder's name; give .* o"):
            encode_public_key(PublicKey("root-1", PUBLIC, holder))
    for holder in ("Алиса", "Ελένη K.", "Юлия Bob", "éva", "佐々木 ひろし", "김민준", "अलका"):
        key = PublicKey("root-1", PUBLIC, holder)
        assert decode_public_key("root-1", encode_public_key(key)) == key


@given(seeds, st.text(max_size=45))
def test_public_key_file_round_trip(seed, holder) -> None:
    """A key can be read back unless its holder's name is invalid."""
    key = PublicKey("root-1", _public(seed), holder)
    try:
        data = encode_public_key(key)
    except KeyStoreError:
        # ASCII without the separators of lists is never refused.
        assert not re.fullmatch(r"[!-~]([ -~]{0,38}[!-~])?", holder) or set(holder) & set("(),;?")
        return
    assert decode_public_key("root-1", data) == key


def test_pem_and_tuf_forms() -> None:
    """PEM has the bytes of RFC 8410, and the TUF form has the key of the metadata."""
    assert encode_as(KEY, "pem") == PEM
    for data in (PEM, PEM.replace(b"\n", b"\r\n"), b"\n\n" + PEM + b"\n"):
        assert decode_any("root-1", data) == PublicKey("root-1", PUBLIC)
    value = json.loads(encode_as(KEY, "tuf"))
    assert value == TUF
    assert Key.from_dict(KEYID, value).keyid == KEY.keyid == KEYID
    for form in (json.dumps(TUF, indent=4), json.dumps({**TUF, "keyid": KEYID})):
        assert decode_any("root-1", form.encode()).public == PUBLIC


@pytest.mark.needs("openssl")
def test_pem_of_openssl(tmp_path) -> None:
    """A key of openssl is read and written unchanged."""
    openssl = shutil.which("openssl")
    private, public = tmp_path / "key.pem", tmp_path / "pub.pem"
    for command in (
        ("genpkey", "-algorithm", "ed25519", "-out", private),
        ("pkey", "-in", private, "-pubout", "-out", public),
    ):
        subprocess.run([openssl, *command], check=True, capture_output=True)
    data = public.read_bytes()
    assert encode_as(decode_any("root-1", data), "pem") == data


PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32)).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
REFUSED = [
    (encode_as(PublicKey("root-1", SMALL), "pem"), "not a canonical point"),
    # A private key that is sent by mistake.
    (PRIVATE, "is not a public key; make one with"),
    (PRIVATE.replace(b" PRIVATE", b" ENCRYPTED PRIVATE"), "is not a public key; make one with"),
    (PEM.replace(b"PUBLIC KEY", b"CERTIFICATE"), "is not a public key; make one with"),
    (PEM + PEM, "more than one public key"),
    (PEM + b"and more", "more than one public key"),
    (PEM.replace(b"11qY", b"11q"), "cannot be read"),
    (TUF | {"keytype": "rsa", "scheme": "rsassa-pss-sha256"}, "only ed25519 may sign"),
    (TUF | {"scheme": "ed25519ph"}, "only ed25519 may sign"),
    (TUF | {"keytype": ["ed25519"], "scheme": None}, "only ed25519 may sign"),
    (TUF | {"keyid": "0" * 64}, "key id that is not the hash"),
    (TUF | {"x-owner": "bob"}, "other members"),
    (TUF | {"keyval": {"public": PUBLIC, "private": ""}}, "other members"),
    (TUF | {"keyval": {"public": PUBLIC.upper()}}, "lower-case hex"),
    (TUF | {"keyval": {"public": SMALL}}, "not a canonical point"),
    (b'{"keyval":{},' + json.dumps(TUF).encode()[1:], "is not a public key"),
    ({KEYID: TUF}, "is not a public key"),
    (b"[" * 8000, "is not a public key"),
    (b"[]\n", "is not a public key"),
    (b'{"public":1}\n', "not a public key file"),
    (b" " * 9000, "more than 8192 bytes"),
    (b"", "is not a public key"),
]


def test_unusable_public_key_is_refused() -> None:
    """Other kinds, weak points, several keys and other files have their own messages."""
    others = (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        Ed448PrivateKey.generate(),
    )
    other_kinds = [(_pem(key), "not an ed25519 key, and no other") for key in others]
    for value, words in (*other_kinds, *REFUSED):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        with case(data), pytest.raises(KeyStoreError, match=words):
            decode_any("root-1", data)


@given(seeds, st.sampled_from(["pub", "pem", "tuf"]))
def test_public_key_round_trip_in_each_form(seed, form) -> None:
    """Each form is read as the same key and written as the same bytes."""
    key = PublicKey("armani-3", _public(seed))
    data = encode_as(key, form)
    assert decode_any("armani-3", data) == key
    assert encode_as(decode_any("armani-3", data), form) == data


@given(seeds, st.sampled_from(["pub", "pem", "tuf"]), st.data())
def test_changed_byte_is_detected(seed, form, data) -> None:
    """A changed byte gives an error or another key, except in white space."""
    content = bytearray(encode_as(PublicKey("root-1", _public(seed)), form))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        key = decode_any("root-1", bytes(content))
    except KeyStoreError:
        return
    written = encode_as(key, form)
    assert written.split() == bytes(content).split() or key.public != _public(seed)


@given(
    st.binary(max_size=400)
    | st.binary(max_size=200).map(
        lambda data: b"-----BEGIN PUBLIC KEY-----\n" + data + b"\n-----END PUBLIC KEY-----\n"
    )
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from([*TUF, "keyid", "public", "more"]), inner)
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_arbitrary_bytes_are_refused(data) -> None:
    """Arbitrary bytes are refused with a KeyStoreError."""
    with pytest.raises(KeyStoreError):
        decode_any("root-1", data)
