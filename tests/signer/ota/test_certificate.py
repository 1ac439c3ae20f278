import subprocess
from pathlib import Path

import pytest

from signer.ota.errors import SignatureError
from signer.ota.signatures import decode_certificate

pytestmark = pytest.mark.needs("openssl")


def _certificate(folder: Path, *key: str) -> bytes:
    """Make a certificate with openssl for a key of the given kind."""
    arguments = ["openssl", "req", "-x509", "-nodes", "-newkey", *key, "-subj", "/CN=test"]
    arguments += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (folder / "cert.pem").read_bytes()


def _sign(folder: Path, data: bytes) -> bytes:
    (folder / "data").write_bytes(data)
    command = ["openssl", "dgst", "-sha256", "-sign", str(folder / "key.pem"), str(folder / "data")]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_signatures_of_openssl(tmp_path: Path) -> None:
    """A signature that openssl makes is accepted, over these bytes and no others."""
    found = decode_certificate(_certificate(tmp_path, "rsa:2048"))
    # The sha256 of "abc", as FIPS 180 has it.
    digest = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    signature = _sign(tmp_path, b"abc")
    assert found.is_signature(signature, digest)
    assert not found.is_signature(signature, bytes(32))
    assert not found.is_signature(b"", digest)


def test_both_encodings(certificate: bytes, tmp_path: Path) -> None:
    """PEM and DER of one certificate are the same certificate."""
    (tmp_path / "cert.pem").write_bytes(certificate)
    command = ["openssl", "x509", "-in", str(tmp_path / "cert.pem"), "-outform", "DER"]
    der = subprocess.run(command, check=True, capture_output=True).stdout
    assert decode_certificate(der).der == decode_certificate(certificate).der == der


@pytest.mark.parametrize(
    "key", [("rsa:1024",), ("ed25519",), ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")]
)
def test_keys_that_are_refused(key: tuple[str, ...], tmp_path: Path) -> None:
    """Short keys and algorithms that a phone does not verify are refused."""
    with pytest.raises(SignatureError, match="must be RSA of 2048 to 8192 bits"):
        decode_certificate(_certificate(tmp_path, *key))


@pytest.mark.parametrize("raw", [b"", b"-----BEGIN CERTIFICATE-----", b"\x30\x03\x02\x01\x01"])
def test_what_is_not_a_certificate(raw: bytes) -> None:
    """Other bytes are refused in the package's own words."""
    with pytest.raises(SignatureError, match=r"not an X\.509 certificate"):
        decode_certificate(raw)


def test_large_certificates_are_not_parsed() -> None:
    """More than 64 KiB is refused before anything looks at it."""
    with pytest.raises(SignatureError, match="larger than 64 KiB"):
        decode_certificate(bytes(65537))
