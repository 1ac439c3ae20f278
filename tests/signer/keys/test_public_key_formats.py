import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
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

from signer.errors import KeyStoreError
from signer.keys.public_key import PublicKey, decode_any, encode_as

# RFC 8032 section 7.1, test 1, and its key id; RFC 8410 section 4 gives the head of the PEM form.
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
KEYID = "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916"
KEY = PublicKey("root-1", PUBLIC, "bob")
PEM = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    b"-----END PUBLIC KEY-----\n"
)
TUF = {"keytype": "ed25519", "keyval": {"public": PUBLIC}, "scheme": "ed25519"}
SMALL = {
    "order 1": "01" + "00" * 31,
    "order 8": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "not canonical": "ee" + "ff" * 30 + "7f",
}
seeds = st.binary(min_size=32, max_size=32)


def _public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def _pem(public):
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_pem_is_what_the_standards_say() -> None:
    """The bytes of RFC 8410, without the holder."""
    assert encode_as(KEY, "pem") == PEM
    assert decode_any("root-1", PEM) == PublicKey("root-1", PUBLIC)


def test_a_tuf_key_is_what_metadata_holds() -> None:
    """Its hash is the key id, and python-tuf reads it under that id."""
    value = json.loads(encode_as(KEY, "tuf"))
    assert value == TUF
    assert Key.from_dict(KEYID, value).keyid == KEY.keyid == KEYID


def test_our_own_form_keeps_the_holder() -> None:
    """That is for colleagues, not for the public."""
    assert decode_any("root-1", encode_as(KEY, "pub")) == KEY


@pytest.mark.needs("openssl")
def test_openssl_reads_and_writes_the_pem(tmp_path) -> None:
    """A key that openssl made comes in, and it reads what goes out."""
    openssl = shutil.which("openssl")
    private, public = tmp_path / "key.pem", tmp_path / "pub.pem"
    for command in (
        ("genpkey", "-algorithm", "ed25519", "-out", private),
        ("pkey", "-in", private, "-pubout", "-out", public),
    ):
        subprocess.run([openssl, *command], check=True, capture_output=True)
    data = public.read_bytes()
    assert encode_as(decode_any("root-1", data), "pem") == data


@pytest.mark.parametrize(
    "data",
    [
        PEM.replace(b"\n", b"\r\n"),
        b"\n\n" + PEM + b"\n",
        json.dumps(TUF, indent=4).encode(),
        json.dumps({**TUF, "keyid": KEYID}).encode(),
    ],
)
def test_white_space_and_a_right_key_id_do_not_matter(data) -> None:
    """Mail and editors add line ends, and some tools the id."""
    assert decode_any("root-1", data).public == PUBLIC


@pytest.mark.parametrize(
    "public",
    [
        rsa.generate_private_key(65537, 2048).public_key(),
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        Ed448PrivateKey.generate().public_key(),
        x25519.X25519PrivateKey.generate().public_key(),
    ],
)
def test_another_kind_in_pem_is_refused(public) -> None:
    """Only ed25519 signs."""
    with pytest.raises(KeyStoreError, match="not an ed25519 key, and no other kind may sign"):
        decode_any("root-1", _pem(public))


@pytest.mark.parametrize(
    ("keytype", "scheme"),
    [
        ("rsa", "rsassa-pss-sha256"),
        ("ecdsa", "ecdsa-sha2-nistp256"),
        ("ed25519", "ed25519ph"),
        (["ed25519"], None),
    ],
)
def test_another_kind_in_tuf_is_refused(keytype, scheme) -> None:
    """The sentence gives the kind."""
    value = {"keytype": keytype, "keyval": {"public": PUBLIC}, "scheme": scheme}
    with pytest.raises(KeyStoreError, match="only ed25519 may sign"):
        decode_any("root-1", json.dumps(value).encode())


@pytest.mark.parametrize("public", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("form", ["pem", "tuf"])
def test_a_point_that_is_not_sound_is_refused(public, form) -> None:
    """Such a key verifies forged signatures."""
    data = encode_as(PublicKey("root-1", public), form)
    with pytest.raises(KeyStoreError, match="not a point that can be trusted"):
        decode_any("root-1", data)


@pytest.mark.parametrize(
    "data",
    [
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ],
)
def test_other_pem_is_refused(data) -> None:
    """Above all a private key that is sent by mistake."""
    with pytest.raises(KeyStoreError, match="is not a public key; make one with"):
        decode_any("root-1", data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (PEM + PEM, "more than one public key"),
        (PEM + b"and more", "more than one public key"),
        (PEM.replace(b"11qY", b"11q"), "cannot be read"),
        (json.dumps({**TUF, "keyid": "0" * 64}).encode(), "key id that is not the hash"),
        (json.dumps({**TUF, "x-owner": "bob"}).encode(), "other members"),
        (json.dumps({**TUF, "keyval": {"public": PUBLIC, "private": ""}}).encode(), "other memb"),
        (json.dumps({**TUF, "keyval": {"public": PUBLIC.upper()}}).encode(), "lower-case hex"),
        (b'{"keyval":{},' + json.dumps(TUF).encode()[1:], "is no public key"),
        (b"[" * 8000, "is no public key"),
        (b"[]\n", "is no public key"),
        (json.dumps({KEYID: TUF}).encode(), "is no public key"),
        (b'{"public":1}\n', "not a public key file"),
        (b" " * 9000, "more than 8192 bytes"),
        (b"", "is no public key"),
    ],
)
def test_a_malformed_file_is_refused(data, words) -> None:
    """Each with its reason."""
    with pytest.raises(KeyStoreError, match=words):
        decode_any("root-1", data)


@given(seeds, st.sampled_from(["pub", "pem", "tuf"]))
def test_every_key_comes_back_in_every_form(seed, form) -> None:
    """What is written is read as the same key, and written again as the same bytes."""
    key = PublicKey("armani-3", _public(seed))
    data = encode_as(key, form)
    assert decode_any("armani-3", data) == key
    assert encode_as(decode_any("armani-3", data), form) == data


@given(seeds, st.sampled_from(["pub", "pem", "tuf"]), st.data())
def test_a_changed_byte_is_refused_or_another_key(seed, form, data) -> None:
    """No change of a byte is passed over, but for white space."""
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
def test_arbitrary_bytes_are_refused_with_our_error(data) -> None:
    """No bytes make the reader fail otherwise."""
    with pytest.raises(KeyStoreError):
        decode_any("root-1", data)
