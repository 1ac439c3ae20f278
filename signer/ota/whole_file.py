"""Checks the whole-file signature that Android keeps in an OTA package's zip comment.

The comment is a text, NUL, a detached CMS signature (RFC 5652) without signed attributes, and six
bytes: where the CMS starts, counted from the end of the file, two bytes ff, the comment's length.
The signature covers the file up to the two bytes that hold the comment's length.
"""

import re
import struct
from dataclasses import dataclass

from signer.ota.certificate import Certificate
from signer.ota.der import (
    CONTEXT_0,
    INTEGER,
    OBJECT_ID,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    decode_elements,
    decode_integer,
    take,
)
from signer.ota.errors import SignatureError

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
    """How many bytes of the file are signed, and the DER of the CMS signature."""

    length: int
    cms: bytes


def decode_comment(comment: bytes, length: int) -> SignedFile | None:
    """Split the zip comment of a file of `length` bytes; None when there is no comment at all."""
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

    Every part that is read is compared: algorithms, issuer and serial number, and an enclosed
    certificate, so that no second CMS says the same.
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
    return decode_elements(element.content)


def _only(data: bytes, tag: int) -> list[Element]:
    """Return the parts of the one element that `data` is."""
    elements = decode_elements(data)
    only = take(elements, tag)
    _expect(not elements, "has parts that no package uses")
    return _parts(only)


def _expect(condition: bool, fault: str) -> None:
    if not condition:
        raise SignatureError(f"The package's whole-file signature {fault}.")
