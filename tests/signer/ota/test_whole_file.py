"""The CMS signatures here are made by openssl with throw-away keys."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from server.core.der import INTEGER, SEQUENCE, decode_elements
from signer.ota.errors import SignatureError
from signer.ota.signatures import (
    Certificate,
    SignedFile,
    decode_certificate,
    decode_comment,
    decode_integer,
    take,
    verify_cms,
)

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


@pytest.mark.parametrize("options", [(), ("-nocerts",)])
def test_signatures_of_openssl(signer: Path, options: tuple[str, ...]) -> None:
    """A detached CMS without attributes is accepted, with and without the certificate in it."""
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
def test_other_forms_are_refused(signer: Path, options: tuple[str, ...], fault: str) -> None:
    """What recovery does not verify is refused, although openssl makes it."""
    with pytest.raises(SignatureError, match=fault):
        verify_cms(_cms(signer, *options), DIGEST, _certificate(signer))


def test_another_signer_is_refused(signer: Path, certificate: bytes) -> None:
    """The CMS must enclose, or at least name, the given certificate."""
    cms = _cms(signer, "-noattr", "-md", "sha256")
    with pytest.raises(SignatureError, match="encloses another certificate"):
        verify_cms(cms, DIGEST, decode_certificate(certificate))
    bare = _cms(signer, "-noattr", "-md", "sha256", "-nocerts")
    with pytest.raises(SignatureError, match="is by another certificate"):
        verify_cms(bare, DIGEST, decode_certificate(certificate))


def test_what_is_not_signed_data(signer: Path) -> None:
    """A CMS of another kind is refused."""
    cms = _openssl("cms", "-data_create", "-outform", "DER", "-in", str(signer / "data"))
    with pytest.raises(SignatureError, match="is not SignedData"):
        verify_cms(cms, DIGEST, _certificate(signer))


def _comment(text: bytes, cms: bytes) -> bytes:
    start, size = len(cms) + 6, len(text) + len(cms) + 6
    return text + cms + start.to_bytes(2, "little") + b"\xff\xff" + size.to_bytes(2, "little")


def test_comment() -> None:
    """The last six bytes say where the signature starts; it covers all but comment and length."""
    comment = _comment(b"signed by SignApk\0", b"cms")
    assert decode_comment(comment, 1000) == SignedFile(1000 - len(comment) - 2, b"cms")
    assert decode_comment(b"", 1000) is None


@pytest.mark.parametrize(
    "comment",
    [
        b"short",
        b"an ordinary comment",
        _comment(b"signed by SignApk\0", b"cms")[:-1] + b"\1",
        _comment(b"signed by SignApk\0", b"cms").replace(b"\xff\xff", b"\xff\xfe"),
        _comment(b"", b"cms"),
        _comment(b"signed by SignApk\0", b""),
        _comment(b"PK\5\6 signed by SignApk\0", b"cms"),
        _comment(b"signed by SignApk", b"cms"),
    ],
)
def test_comments_that_are_no_signature(comment: bytes) -> None:
    """Any other comment is refused, since it is unknown what it covers."""
    with pytest.raises(SignatureError, match="zip comment"):
        decode_comment(comment, 1000)


@pytest.mark.parametrize("raw", ["0200", "020180", "02020001", "0401ff"])
def test_what_is_not_an_integer(raw: str) -> None:
    """Empty, negative and padded integers, and other types, are refused."""
    (element,) = decode_elements(bytes.fromhex(raw))
    with pytest.raises(SignatureError, match="not well-formed DER"):
        decode_integer(element)


def test_take_wants_its_tag(signer: Path) -> None:
    """An element of another tag, none at all, and other bytes than DER are malformed."""
    with pytest.raises(SignatureError, match="not well-formed DER"):
        verify_cms(b"\x30\x80\0\0", DIGEST, _certificate(signer))
    elements = decode_elements(bytes.fromhex("020101"))
    with pytest.raises(SignatureError):
        take(elements, SEQUENCE)
    assert take(elements, INTEGER).content == b"\1"
    with pytest.raises(SignatureError):
        take(elements, INTEGER)
