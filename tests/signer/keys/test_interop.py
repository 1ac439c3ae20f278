"""Signatures of keys in files and on tokens, verified by other programs."""

import os
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl.signing import VerifyKey
from pkcs11 import Attribute, KeyType, ObjectClass

from signer.keys.enrolment import create_token_keys, enrol_token_key
from signer.keys.key_file import TokenKey, decode_key_file, encode_key_file
from signer.keys.keystore import Keystore
from signer.keys.public_key import PublicKey, encode_as
from tests.cases import case
from tests.rfc8032 import VECTORS

PAYLOADS = (b"", b"payload", bytes(range(256)) * 256)


@pytest.fixture(params=["file", pytest.param("token", marks=pytest.mark.needs("softhsm"))])
def signing(request, tmp_path, secrets):
    """Return a public half and its signer, of a key in a file and of one on a token."""
    with Keystore(tmp_path / "keys") as store:
        if request.param == "file":
            (key,) = store.create_keys(["armani-1"], secrets, os.urandom)
        else:
            module = request.getfixturevalue("softhsm").module
            (key,) = create_token_keys(store, ["armani-1"], module, "drawer", secrets, os.urandom)
        assert store.kind("armani-1") == request.param
        yield key, store.load_signer(key, secrets)


def _openssl(folder, key: PublicKey, payload: bytes, signature: bytes) -> bool:
    program = shutil.which("openssl")
    for name, data in (
        ("pub.pem", encode_as(key, "pem")),
        ("payload", payload),
        ("signature", signature),
    ):
        (folder / name).write_bytes(data)
    command = (program, "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin")
    done = subprocess.run(
        [*command, "-in", "payload", "-sigfile", "signature"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.mark.needs("openssl")
def test_openssl_verifies(signing, tmp_path) -> None:
    """A signature is valid for its payload only."""
    key, signer = signing
    for payload in PAYLOADS[1:]:  # openssl refuses to read an empty file
        signature = bytes.fromhex(signer.sign(payload).signature)
        assert _openssl(tmp_path, key, payload, signature)
        assert not _openssl(tmp_path, key, payload + b"x", signature)


def test_libsodium_and_cryptography_verify(signing) -> None:
    """Two independent libraries verify the signature."""
    key, signer = signing
    raw = bytes.fromhex(key.public)
    for payload in PAYLOADS:
        signature = bytes.fromhex(signer.sign(payload).signature)
        VerifyKey(raw).verify(payload, signature)
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, payload)


@pytest.mark.needs("interop")
def test_package_ed25519_verifies(signing) -> None:
    """The reference implementation verifies the signature for its payload only."""
    import ed25519  # noqa: PLC0415 - installed only where this test is collected

    key, signer = signing
    verifying = ed25519.VerifyingKey(key.public, encoding="hex")
    for payload in PAYLOADS:
        signature = bytes.fromhex(signer.sign(payload).signature)
        verifying.verify(signature, payload)
        with pytest.raises(ed25519.BadSignatureError):
            verifying.verify(signature, payload + b"x")


def test_key_file_signs_rfc8032_vectors(tmp_path) -> None:
    """Seed, public half and signature are those of RFC 8032."""
    for name, vector in VECTORS.items():
        with case(name):
            key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector.secret))
            path = tmp_path / "root-1.key"
            path.touch(0o600)
            path.write_bytes(encode_key_file(key, b"passphrase", os.urandom))
            again = decode_key_file("root-1", path.read_bytes(), b"passphrase")
            assert again.public_key().public_bytes_raw().hex() == vector.public
            signer = Keystore(tmp_path).load_signer(
                PublicKey("root-1", vector.public), lambda _name: b"passphrase"
            )
            assert signer.sign(bytes.fromhex(vector.message)).signature == vector.signature


@pytest.mark.needs("softhsm")
def test_token_signs_rfc8032_vectors(softhsm, tmp_path, secrets, monkeypatch) -> None:
    """A token with the standard's seed makes the standard's signature."""
    # The standard's keys were not made on the token, and would be refused.
    monkeypatch.setattr("signer.keys.hsm._is_native", lambda _key: True)
    for number, (name, vector) in enumerate(VECTORS.items(), 1):
        with softhsm.session("drawer") as session:
            _import_key(session, bytes([number]), vector)
        with case(name), Keystore(tmp_path / "keys") as store:
            place = TokenKey(softhsm.module, "drawer", f"{number:02}")
            key = enrol_token_key(store, f"root-{number}", place, secrets)
            signature = store.load_signer(key, secrets).sign(bytes.fromhex(vector.message))
            assert (key.public, signature.signature) == (vector.public, vector.signature)


def _import_key(session, key_id, vector) -> None:
    common = {
        Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
        Attribute.EC_PARAMS: bytes.fromhex("06032b6570"),
        Attribute.ID: key_id,
        Attribute.TOKEN: True,
    }
    private = {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.VALUE: bytes.fromhex(vector.secret),
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.SIGN: True,
    }
    public = {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.EC_POINT: bytes.fromhex("0420" + vector.public),
    }
    session.create_object(common | private)
    session.create_object(common | public)
