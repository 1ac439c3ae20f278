"""Signatures made by openssl with temporary keys."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from fixtures.protobuf_writer import bytes_field, fixed32_field
from server.core.der import INTEGER, SEQUENCE, decode_elements
from signer.ota.errors import SignatureError
from signer.ota.signatures import (
    Certificate,
    decode_certificate,
    decode_comment,
    decode_integer,
    decode_signatures,
    take,
    verify_cms,
    verify_signatures,
)
from tests.cases import case

pytestmark = pytest.mark.needs("openssl")

SIGNED = b"everything before the length of the comment"
DIGEST = hashlib.sha256(SIGNED).digest()


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with key.pem, cert.pem and the signed data."""
    folder = tmp_path_factory.mktemp("signer")
    _openssl(
        *("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=test"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
    )
    (folder / "data").write_bytes(SIGNED)
    return folder


def _openssl(*arguments: str) -> bytes:
    done = subprocess.run(["openssl", *arguments], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _cms(signer: Path, *options: str) -> bytes:
    return _openssl(
        *("cms", "-sign", "-binary", "-outform", "DER", "-in", str(signer / "data")),
        *("-signer", str(signer / "cert.pem"), "-inkey", str(signer / "key.pem"), *options),
    )


def _certificate(signer: Path) -> Certificate:
    return decode_certificate((signer / "cert.pem").read_bytes())


def test_signature_of_openssl(signer, certificate, tmp_path) -> None:
    """A signature is valid over its bytes only; a certificate is the same in PEM and DER."""
    found = _certificate(signer)
    signature = _openssl("dgst", "-sha256", "-sign", str(signer / "key.pem"), str(signer / "data"))
    assert found.is_signature(signature, DIGEST)
    assert not found.is_signature(signature, bytes(32))
    assert not found.is_signature(b"", DIGEST)
    (tmp_path / "cert.pem").write_bytes(certificate)
    command = ["openssl", "x509", "-in", str(tmp_path / "cert.pem"), "-outform", "DER"]
    der = subprocess.run(command, check=True, capture_output=True).stdout
    assert decode_certificate(der).der == decode_certificate(certificate).der == der


def test_unusable_certificate(tmp_path) -> None:
    """Malformed and large files, short keys and unsupported algorithms are refused."""
    for raw in (b"", b"-----BEGIN CERTIFICATE-----", b"\x30\x03\x02\x01\x01"):
        with pytest.raises(SignatureError, match=r"not an X\.509 certificate"):
            decode_certificate(raw)
    with pytest.raises(SignatureError, match="larger than 64 KiB"):
        decode_certificate(bytes(65537))
    made = ("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem"))
    for key in (("rsa:1024",), ("ed25519",), ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        _openssl("req", "-x509", "-nodes", "-newkey", *key, "-subj", "/CN=test", *made)
        with pytest.raises(SignatureError, match="must be RSA of 2048 to 8192 bits"):
            decode_certificate((tmp_path / "cert.pem").read_bytes())


def test_impossible_signature_length(certificate) -> None:
    """A length beyond the data, nonzero padding, 0 and over 1,024 bytes are refused."""
    for data, length in ((b"sig", 4), (b"sig\1", 3), (b"sig", 0), (bytes(1025), 1025)):
        raw = bytes_field(1, bytes_field(2, data) + fixed32_field(3, length))
        with pytest.raises(SignatureError, match="impossible length"):
            decode_signatures(raw, "signature")
    with pytest.raises(SignatureError, match="The payload signature is missing"):
        verify_signatures(b"", bytes(32), decode_certificate(certificate), "payload signature")


def test_whole_file_signature_of_openssl(signer: Path) -> None:
    """A detached CMS without attributes is accepted, with and without the certificate."""
    for options in ((), ("-nocerts",)):
        cms = _cms(signer, "-noattr", "-md", "sha256", *options)
        verify_cms(cms, DIGEST, _certificate(signer))
        with pytest.raises(SignatureError, match="not by the given certificate over these bytes"):
            verify_cms(cms, bytes(32), _certificate(signer))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("-md", "sha256"), "has signed attributes"),
        (("-noattr", "-md", "sha512"), "uses another algorithm than SHA-256"),
        (("-noattr", "-md", "sha256", "-nodetach"), "encloses what it signs"),
        (("-noattr", "-md", "sha256", "-keyid"), "not well-formed DER|has another version"),
    ],
)
def test_other_forms_of_cms_are_refused(signer: Path, options: tuple[str, ...], fault: str) -> None:
    """Forms that recovery does not verify are refused although openssl makes them."""
    with pytest.raises(SignatureError, match=fault):
        verify_cms(_cms(signer, *options), DIGEST, _certificate(signer))


def test_cms_of_another_signer_is_refused(signer, certificate) -> None:
    """The CMS must enclose or name the given certificate, and be SignedData."""
    cms = _cms(signer, "-noattr", "-md", "sha256")
    with pytest.raises(SignatureError, match="encloses another certificate"):
        verify_cms(cms, DIGEST, decode_certificate(certificate))
    bare = _cms(signer, "-noattr", "-md", "sha256", "-nocerts")
    with pytest.raises(SignatureError, match="is by another certificate"):
        verify_cms(bare, DIGEST, decode_certificate(certificate))
    cms = _openssl("cms", "-data_create", "-outform", "DER", "-in", str(signer / "data"))
    with pytest.raises(SignatureError, match="is not SignedData"):
        verify_cms(cms, DIGEST, _certificate(signer))


def _comment(text: bytes, cms: bytes) -> bytes:
    start, size = len(cms) + 6, len(text) + len(cms) + 6
    return text + cms + start.to_bytes(2, "little") + b"\xff\xff" + size.to_bytes(2, "little")


def test_comment_without_signature() -> None:
    """Any other comment is refused, because what it covers is unknown."""
    for comment in (
        b"short",
        b"an ordinary comment",
        _comment(b"signed by SignApk\0", b"cms")[:-1] + b"\1",
        _comment(b"signed by SignApk\0", b"cms").replace(b"\xff\xff", b"\xff\xfe"),
        _comment(b"", b"cms"),
        _comment(b"signed by SignApk\0", b""),
        _comment(b"PK\5\6 signed by SignApk\0", b"cms"),
        _comment(b"signed by SignApk", b"cms"),
    ):
        with case(comment), pytest.raises(SignatureError, match="zip comment"):
            decode_comment(comment, 1000)
    assert decode_comment(b"", 1000) is None


def test_malformed_der(signer: Path) -> None:
    """Wrong tags, missing elements, other encodings and invalid integers are refused."""
    for raw in ("0200", "020180", "02020001", "0401ff"):
        (element,) = decode_elements(bytes.fromhex(raw))
        with pytest.raises(SignatureError, match="not well-formed DER"):
            decode_integer(element)
    with pytest.raises(SignatureError, match="not well-formed DER"):
        verify_cms(b"\x30\x80\0\0", DIGEST, _certificate(signer))
    elements = decode_elements(bytes.fromhex("020101"))
    with pytest.raises(SignatureError):
        take(elements, SEQUENCE)
    assert take(elements, INTEGER).content == b"\1"
    with pytest.raises(SignatureError):
        take(elements, INTEGER)
