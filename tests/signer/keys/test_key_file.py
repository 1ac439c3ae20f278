import os
import re
import shutil
import subprocess
from pathlib import Path

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

from server.core.encodings import encode_canonical_json
from signer.errors import KeyStoreError
from signer.keys import key_file
from signer.keys.key_file import (
    SECRET,
    TRUSTED,
    TokenKey,
    check_token_key,
    check_unchangeable,
    decode_key_file,
    decode_token_file,
    encode_key_file,
    encode_token_file,
    load_narrow,
)
from tests.cases import case

# RFC 8032 section 7.1, test 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
REAL_N = key_file.SCRYPT_N  # before tests/conftest.py makes it small
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_openssl_reads_key_file(tmp_path, monkeypatch) -> None:
    """OpenSSL opens the key and shows scrypt's real N, 16,384."""
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


def test_only_encrypted_ed25519_key_opens() -> None:
    """Files of other tools open; unencrypted and other kinds of keys are refused."""
    key, other = Ed25519PrivateKey.from_private_bytes(SEED), generate_private_key(SECP256R1())
    sealed = BestAvailableEncryption(b"passphrase")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed)
    assert decode_key_file("root-1", pem, b"passphrase").private_bytes_raw() == SEED
    for made, encryption, words in (
        (key, NoEncryption(), "is not encrypted"),
        (other, sealed, "not an ed25519 key"),
    ):
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        with pytest.raises(KeyStoreError, match=words):
            decode_key_file("root-1", pem, b"passphrase")


def test_passphrase_length_and_salt() -> None:
    """A passphrase has 8 to 1,023 bytes; two files of one key differ."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    for passphrase in (b"", b"short77", b"x" * 1024):
        with pytest.raises(KeyStoreError, match="8 to 1023"):
            encode_key_file(key, passphrase, os.urandom)
    first, second = (encode_key_file(key, b"passphrase", os.urandom) for _ in range(2))
    assert first != second


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data) -> None:
    """Arbitrary bytes are refused with a KeyStoreError."""
    framed = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + data + b"\n"
    framed += b"-----END ENCRYPTED PRIVATE KEY-----\n"
    for pem in (data, framed):
        with pytest.raises(KeyStoreError):
            decode_key_file("root-1", pem, b"passphrase")


MODULE = "/usr/lib/softhsm/libsofthsm2.so"
VALUE = {"id": "01", "module": MODULE, "schema": 1, "token": "drawer"}

texts = st.text(st.characters(codec="utf-8"), max_size=40)
token_keys = st.builds(
    TokenKey, texts.map("/{}".format) | texts, texts, st.binary(max_size=70).map(bytes.hex) | texts
)


def test_token_file_format() -> None:
    """A token file is one line of canonical JSON; each member has a form, and none is a PIN."""
    assert encode_token_file(TokenKey(MODULE, "drawer", "01")) == (
        b'{"id":"01","module":"/usr/lib/softhsm/libsofthsm2.so","schema":1,"token":"drawer"}\n'
    )
    for change, words in (
        ({"module": "libsofthsm2.so"}, "not the absolute path"),
        ({"module": "/" + "x" * 1024}, "not the absolute path"),
        ({"module": "/a\nb"}, "not the absolute path"),
        ({"token": ""}, "not a token's label"),
        ({"token": "é" * 17}, "not a token's label"),
        ({"token": " drawer"}, "not a token's label"),
        ({"id": ""}, "not the id of a key"),
        ({"id": "AB"}, "not the id of a key"),
        ({"id": "00" * 65}, "not the id of a key"),
        ({"id": 1}, "not a token file of schema 1"),
        ({"schema": True}, "not a token file of schema 1"),
        ({"pin": "1234"}, "not a token file of schema 1"),
    ):
        with case(change), pytest.raises(KeyStoreError, match=words):
            decode_token_file("root-1", encode_canonical_json(VALUE | change))
    with pytest.raises(KeyStoreError, match=r"root-1\.token is not a token file"):
        decode_token_file("root-1", encode_canonical_json({"schema": 1}))


@given(token_keys)
def test_token_file_round_trip(key) -> None:
    """What can be written can be read back."""
    try:
        check_token_key(key)
    except KeyStoreError:
        with pytest.raises(KeyStoreError):
            encode_token_file(key)
        return
    assert decode_token_file("root-1", encode_token_file(key)) == key


@given(st.binary(max_size=300) | st.dictionaries(texts, texts).map(encode_canonical_json))
def test_arbitrary_token_file_is_refused(data) -> None:
    """Arbitrary bytes are refused with a KeyStoreError."""
    with pytest.raises(KeyStoreError):
        decode_token_file("root-1", data)


def _make(folder, mode):
    path = folder / "file"
    path.write_bytes(b"content")
    path.chmod(mode)
    return path


def test_load_narrow(tmp_path) -> None:
    """A file with a narrow mode is read up to the limit; else the message gives the command."""
    for forbidden, mode in ((SECRET, 0o600), (SECRET, 0o400), (TRUSTED, 0o644), (TRUSTED, 0o600)):
        path = _make(tmp_path, mode)
        assert load_narrow(path, "The file", forbidden, 100) == b"content"
        assert load_narrow(path, "The file", forbidden, 3) == b"con"
        path.unlink()
    for forbidden, mode, words in (
        (SECRET, 0o640, "Others may read the file .mode 0640.; run `chmod 600"),
        (SECRET, 0o604, "chmod 600"),
        (SECRET, 0o620, "chmod 600"),
        (SECRET, 0o601, "chmod 600"),
        (TRUSTED, 0o664, "Others may change the file .mode 0664.; run `chmod 644"),
        (TRUSTED, 0o646, "chmod 644"),
    ):
        path = _make(tmp_path, mode)
        with case(mode), pytest.raises(KeyStoreError, match=words):
            load_narrow(path, "The file", forbidden, 100)


def test_file_of_another_user_is_refused(tmp_path, give_away) -> None:
    """A narrow mode is not enough."""
    path = _make(tmp_path, 0o600)
    uid = give_away(path)
    with pytest.raises(KeyStoreError, match=rf"^The file belongs to another user .uid {uid}."):
        load_narrow(path, "The file", TRUSTED, 100)
    with pytest.raises(KeyStoreError, match="The file belongs to another user"):
        check_unchangeable(path, "The file")


def test_link_or_pipe_is_refused(tmp_path) -> None:
    """A pipe does not make the program wait."""
    link = tmp_path / "link"
    link.symlink_to(_make(tmp_path, 0o600))
    with pytest.raises(KeyStoreError, match="The file is a symbolic link"):
        load_narrow(link, "The file", SECRET, 100)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(KeyStoreError, match="The file is not a regular file"):
        load_narrow(pipe, "The file", SECRET, 100)


def test_folder_of_another_user_is_refused(tmp_path, give_away) -> None:
    """The folder's owner could replace the file."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = _make(folder, 0o644)
    give_away(folder)
    with pytest.raises(KeyStoreError, match=r"older of the file belongs|The file belongs"):
        check_unchangeable(path, "The file")


def test_file_writable_by_others_is_refused(tmp_path) -> None:
    """The message names the file or its folder; links are followed to their end."""
    check_unchangeable(Path("/etc/passwd"), "The file")  # most modules belong to root
    inner, link = tmp_path / "folder", tmp_path / "link"
    inner.mkdir()
    path = _make(inner, 0o644)
    link.symlink_to(path)
    for file, folder, words in (
        (0o666, 0o755, r"change the file .mode 0666.; run `chmod go-w .*/(folder/file|link)`"),
        (0o664, 0o755, "may change the file"),
        (0o644, 0o777, r"may change the folder of the file .mode 0777.; run .*/folder`"),
        (0o644, 0o775, "may change the folder of the file"),
        (0o644, 0o755, ""),
    ):
        path.chmod(file)
        inner.chmod(folder)
        for place in (path, link):
            with case(words, place):
                if not words:
                    check_unchangeable(place, "The file")
                    continue
                with pytest.raises(KeyStoreError, match=words):
                    check_unchangeable(place, "The file")


def test_folder_of_a_link_is_checked(tmp_path) -> None:
    """Who can write to it could change where the link leads."""
    inner = tmp_path / "folder"
    inner.mkdir()
    (inner / "link").symlink_to(_make(tmp_path, 0o644))
    inner.chmod(0o777)
    with pytest.raises(KeyStoreError, match="may change the folder of the file"):
        check_unchangeable(inner / "link", "The file")
    inner.chmod(0o1777)  # sticky: no other user can replace what is in it
    check_unchangeable(inner / "link", "The file")
