"""Verifies the signatures of packages and payloads with a given certificate."""

import re
import struct
import warnings
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.utils import CryptographyDeprecationWarning

from server.core.der import (
    CONTEXT_0,
    INTEGER,
    OBJECT_ID,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    decode_elements,
)
from server.core.errors import FormatError
from signer.ota.errors import SignatureError
from signer.ota.protobuf import decode_message
from signer.ota.schemas import SIGNATURES

_MAX_CERTIFICATE = 64 << 10
_LEAST_BITS, _MOST_BITS = 2048, 8192
_DIGEST = Prehashed(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: its DER form, DER issuer name, serial number and public key."""

    der: bytes
    issuer: bytes
    serial: int
    key: rsa.RSAPublicKey

    def is_signature(self, signature: bytes, digest: bytes) -> bool:
        """Whether `signature` is by this key over the SHA-256 `digest`, PKCS#1 v1.5."""
        try:
            self.key.verify(signature, digest, padding.PKCS1v15(), _DIGEST)
        except InvalidSignature:
            return False
        return True


def decode_certificate(raw: bytes) -> Certificate:
    """Decode an X.509 certificate, PEM or DER.

    Raises SignatureError if it is malformed, or its key is not RSA of 2048 to 8192 bits.
    """
    if len(raw) > _MAX_CERTIFICATE:
        raise SignatureError("The certificate is larger than 64 KiB.")
    try:
        with warnings.catch_warnings():
            # A later cryptography will refuse what this one warns of, such as a serial number < 1.
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            if raw.lstrip().startswith(b"-----BEGIN"):
                found = x509.load_pem_x509_certificate(raw)
            else:
                found = x509.load_der_x509_certificate(raw)
        key = found.public_key()
        issuer, serial = found.issuer.public_bytes(), found.serial_number
    except (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        CryptographyDeprecationWarning,
    ) as error:
        raise SignatureError("The certificate is not an X.509 certificate.") from error
    # The keys that a phone accepts (FORMATS section 14).
    if not isinstance(key, rsa.RSAPublicKey) or not _LEAST_BITS <= key.key_size <= _MOST_BITS:
        raise SignatureError(
            f"The certificate's key must be RSA of {_LEAST_BITS} to {_MOST_BITS} bits."
        )
    der = found.public_bytes(serialization.Encoding.DER)
    return Certificate(der, issuer, serial, key)


_MAX_SIGNATURES = 16
_MAX_LENGTH = 1024


def decode_signatures(raw: bytes, label: str) -> list[bytes]:
    """Return the signatures of a `Signatures` message.

    `label` names the message in errors: `metadata signature` or `payload signature`. A signature
    may be padded with zeros; the message then has its unpadded length.
    """

    def fail(fault: str) -> SignatureError:
        return SignatureError(f"The {label} {fault}.", f"has a good {label}")

    message = decode_message(raw, SIGNATURES, lambda fault: fail(f"is malformed: {fault}"))
    found = []
    for signature in message.messages(1):
        if signature.unknown or message.unknown:
            raise fail("has a field that no package uses")
        data = signature.data(2)
        length = signature.integer(3, len(data))
        if not 0 < length <= len(data) <= _MAX_LENGTH or any(data[length:]):
            raise fail("has a signature of an impossible length")
        found.append(data[:length])
    if not 0 < len(found) <= _MAX_SIGNATURES:
        raise fail(f"has {len(found)} signatures")
    return found


def verify_signatures(raw: bytes, digest: bytes, certificate: Certificate, label: str) -> None:
    """Raise SignatureError unless one of the signatures over `digest` is the certificate's."""
    if not raw:
        raise SignatureError(f"The {label} is missing.", f"has a good {label}")
    if not any(certificate.is_signature(each, digest) for each in decode_signatures(raw, label)):
        raise SignatureError(
            f"The {label} is not by the given certificate over these bytes.", f"has a good {label}"
        )


def _fault() -> SignatureError:
    return SignatureError("The package's CMS signature is not well-formed DER.")


def _decode(data: bytes) -> list[Element]:
    try:
        return decode_elements(data)
    except FormatError as error:
        raise _fault() from error


def take(elements: list[Element], tag: int) -> Element:
    """Remove and return the first element, which must have that tag."""
    if not elements or elements[0].tag != tag:
        raise _fault()
    return elements.pop(0)


def decode_integer(element: Element) -> int:
    """Return a non-negative INTEGER in its only encoding."""
    content = element.content
    padded = len(content) > 1 and content[0] == 0 and content[1] < 0x80
    if element.tag != INTEGER or not content or content[0] >= 0x80 or padded:
        raise _fault()
    return int.from_bytes(content)


_FOOTER = 6
_TEXT = re.compile(rb"signed by [\x20-\x7e]{1,40}\x00")
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_DATA = bytes.fromhex("2a864886f70d010701")
_SHA256 = bytes.fromhex("608648016503040201")
_RSA = bytes.fromhex("2a864886f70d010101")
_RSA_SHA256 = bytes.fromhex("2a864886f70d01010b")
_NULL = b"\x05\x00"


@dataclass(frozen=True, slots=True)
class SignedFile:
    """The number of signed bytes at the start of the file, and the DER of the CMS signature."""

    length: int
    cms: bytes


def decode_comment(comment: bytes, length: int) -> SignedFile | None:
    """Decode the zip comment of a file of `length` bytes; None when there is no comment."""
    if not comment:
        return None
    if len(comment) < _FOOTER:
        raise SignatureError("The package's zip comment is not a whole-file signature.")
    start, marker, size = struct.unpack("<3H", comment[-_FOOTER:])
    if marker != 0xFFFF or size != len(comment) or not _FOOTER < start < size:
        raise SignatureError("The package's zip comment is not a whole-file signature.")
    if _TEXT.fullmatch(comment[:-start]) is None:
        raise SignatureError("The package's zip comment has something before its signature.")
    return SignedFile(length - len(comment) - 2, comment[-start:-_FOOTER])


def verify_cms(cms: bytes, digest: bytes, certificate: Certificate) -> None:
    """Raise SignatureError unless `cms` is the certificate's signature over the SHA-256 `digest`.

    Algorithms, issuer, serial number and any enclosed certificate are compared as well, so that
    only one CMS is valid.
    """
    content_info = _only(cms, SEQUENCE)
    _expect(take(content_info, OBJECT_ID).content == _SIGNED_DATA, "is not SignedData")
    parts = _only(take(content_info, CONTEXT_0).content, SEQUENCE)
    _expect(not content_info, "has parts that no package uses")
    _expect(decode_integer(take(parts, INTEGER)) == 1, "has another version than 1")
    _check_algorithm(_only(take(parts, SET).content, SEQUENCE), {_SHA256})
    content = _parts(take(parts, SEQUENCE))
    _expect(take(content, OBJECT_ID).content == _DATA, "is not over plain data")
    _expect(not content, "encloses what it signs")
    if parts and parts[0].tag == CONTEXT_0:
        enclosed = take(parts, CONTEXT_0).content
        _expect(enclosed == certificate.der, "encloses another certificate than the given one")
    signer = _only(take(parts, SET).content, SEQUENCE)
    _expect(not parts, "has parts that no package uses")
    signature = _signature(signer, certificate)
    if not certificate.is_signature(signature, digest):
        raise SignatureError(
            "The package's whole-file signature is not by the given certificate over these bytes."
        )


def _signature(parts: list[Element], certificate: Certificate) -> bytes:
    _expect(decode_integer(take(parts, INTEGER)) == 1, "has another version than 1")
    name = _parts(take(parts, SEQUENCE))
    issuer = take(name, SEQUENCE).encoding
    serial = decode_integer(take(name, INTEGER))
    by_given = (issuer, serial) == (certificate.issuer, certificate.serial) and not name
    _expect(by_given, "is by another certificate than the given one")
    _check_algorithm(_parts(take(parts, SEQUENCE)), {_SHA256})
    _expect(not parts or parts[0].tag != CONTEXT_0, "has signed attributes, which phones refuse")
    _check_algorithm(_parts(take(parts, SEQUENCE)), {_RSA, _RSA_SHA256})
    signature = take(parts, OCTET_STRING).content
    _expect(not parts, "has parts that no package uses")
    return signature


def _check_algorithm(parts: list[Element], allowed: set[bytes]) -> None:
    _expect(take(parts, OBJECT_ID).content in allowed, "uses another algorithm than SHA-256")
    _expect([part.encoding for part in parts] in ([], [_NULL]), "uses algorithm parameters")


def _parts(element: Element) -> list[Element]:
    return _decode(element.content)


def _only(data: bytes, tag: int) -> list[Element]:
    """Return the parts of the single element in `data`."""
    elements = _decode(data)
    only = take(elements, tag)
    _expect(not elements, "has parts that no package uses")
    return _parts(only)


def _expect(condition: bool, fault: str) -> None:
    if not condition:
        raise SignatureError(f"The package's whole-file signature {fault}.")
