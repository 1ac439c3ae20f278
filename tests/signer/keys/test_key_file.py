import os
import re
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from signer.errors import KeyStoreError
from signer.keys import key_file
from signer.keys.key_file import decode_key_file, encode_key_file

# RFC 8032 section 7.1, test 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
REAL_N = key_file.SCRYPT_N  # before tests/conftest.py makes it small
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_a_key_comes_back_with_its_passphrase() -> None:
    """What was written opens again and is the same key."""
    pem = encode_key_file(Ed25519PrivateKey.from_private_bytes(SEED), b"passphrase", os.urandom)
    key = decode_key_file("root-1", pem, b"passphrase")
    assert key.public_key().public_bytes_raw().hex() == PUBLIC


def test_the_seed_is_not_in_the_file() -> None:
    """Neither the seed nor the passphrase can be read from the file."""
    pem = encode_key_file(Ed25519PrivateKey.from_private_bytes(SEED), b"passphrase", os.urandom)
    assert SEED not in pem
    assert b"passphrase" not in pem


def test_openssl_reads_the_file(tmp_path, monkeypatch) -> None:
    """Another program opens the key with scrypt's N as it is, 16,384, so it is never locked in."""
    monkeypatch.setattr(key_file, "SCRYPT_N", REAL_N)
    openssl = shutil.which("openssl")
    assert openssl, "openssl is part of every system that runs the tests"
    path = tmp_path / "key.pem"
    path.write_bytes(
        encode_key_file(Ed25519PrivateKey.from_private_bytes(SEED), b"passphrase", os.urandom)
    )
    done = subprocess.run(
        [openssl, "pkey", "-in", path, "-passin", "pass:passphrase", "-pubout", "-outform", "DER"],
        check=True,
        capture_output=True,
    )
    assert done.stdout[-32:].hex() == PUBLIC
    parsed = subprocess.run(
        [openssl, "asn1parse", "-in", path], check=True, capture_output=True, text=True
    )
    assert re.findall(r"INTEGER +:(\w+)", parsed.stdout) == ["4000", "08", "01", "20"]


def test_two_files_of_one_key_differ() -> None:
    """Salt and vector are fresh, so equal keys cannot be told by their files."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    assert encode_key_file(key, b"passphrase", os.urandom) != encode_key_file(
        key, b"passphrase", os.urandom
    )


def test_a_file_of_another_tool_opens() -> None:
    """A key that cryptography encrypted itself is read too."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    pem = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
    )
    assert decode_key_file("root-1", pem, b"passphrase").private_bytes_raw() == SEED


def test_a_wrong_passphrase_is_refused() -> None:
    """The sentence names the key and shows neither of the passphrases."""
    pem = encode_key_file(Ed25519PrivateKey.from_private_bytes(SEED), b"passphrase", os.urandom)
    with pytest.raises(KeyStoreError, match="root-1 cannot be opened") as caught:
        decode_key_file("root-1", pem, b"other passphrase")
    assert "passphrase'" not in str(caught.value)


def test_an_unencrypted_key_is_refused() -> None:
    """A key that lay open on a disk is not used."""
    pem = Ed25519PrivateKey.from_private_bytes(SEED).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    with pytest.raises(KeyStoreError, match="is not encrypted"):
        decode_key_file("root-1", pem, b"passphrase")


def test_another_kind_of_key_is_refused() -> None:
    """Only ed25519 signs."""
    pem = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
    )
    with pytest.raises(KeyStoreError, match="not an ed25519 key"):
        decode_key_file("root-1", pem, b"passphrase")


@pytest.mark.parametrize("passphrase", [b"", b"short77", b"x" * 1024])
def test_a_passphrase_that_is_too_short_or_long_is_refused(passphrase) -> None:
    """Eight bytes at least, 1,023 at most."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    with pytest.raises(KeyStoreError, match="8 to 1023"):
        encode_key_file(key, passphrase, os.urandom)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_with_our_error(data) -> None:
    """No bytes make the reader fail otherwise."""
    framed = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + data + b"\n"
    framed += b"-----END ENCRYPTED PRIVATE KEY-----\n"
    for pem in (data, framed):
        with pytest.raises(KeyStoreError):
            decode_key_file("root-1", pem, b"passphrase")
