"""Entries of `ca`: certificates of authorities that phones trust, by the sha256 of each.

Source: docs/FORMATS.md section 15.
"""

import hashlib
from collections.abc import Iterator
from typing import Annotated

import msgspec

from server.core.content.kinds import convert_entries
from server.core.content.part import Entries
from server.core.content.text import Text, check_name
from server.core.encodings import decode_base64
from server.core.errors import FormatError

_SEQUENCE, _BOOLEAN, _INTEGER, _BYTES, _BITS, _OBJECT = 0x30, 0x01, 0x02, 0x04, 0x03, 0x06
_VERSION, _ISSUER_ID, _SUBJECT_ID, _EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3
_LAST_MEMBERS = (
    [_EXTENSIONS],
    [_ISSUER_ID, _EXTENSIONS],
    [_SUBJECT_ID, _EXTENSIONS],
    [_ISSUER_ID, _SUBJECT_ID, _EXTENSIONS],
)
_VERSION_3 = b"\x02\x01\x02"
_BASIC_CONSTRAINTS = bytes.fromhex("551d13")  # 2.5.29.19
_TRUE = b"\xff"


def check_ca_certificate(der: bytes) -> None:
    """Raise FormatError unless `der` is one X.509 certificate, version 3, of a CA."""
    whole = list(_elements(der))
    if len(whole) != 1 or whole[0][0] != _SEQUENCE:
        raise FormatError("the bytes are not one certificate")
    parts = list(_elements(whole[0][1]))
    if [tag for tag, _ in parts] != [_SEQUENCE, _SEQUENCE, _BITS]:
        raise FormatError("the certificate is not of what is signed, how, and the signature")
    signed = list(_elements(parts[0][1]))
    tags = [tag for tag, _ in signed]
    if tags[:7] != [_VERSION, _INTEGER, *[_SEQUENCE] * 5] or tags[7:] not in _LAST_MEMBERS:
        raise FormatError("the certificate has no version, or no extensions")
    if signed[0][1] != _VERSION_3:
        raise FormatError("the certificate is not of version 3")
    extensions = _only(signed[-1][1], _SEQUENCE)
    found = list(map(_extension, _elements(extensions)))
    if len(dict(found)) != len(found):
        raise FormatError("the certificate has an extension twice")
    if _BASIC_CONSTRAINTS not in dict(found):
        raise FormatError("the certificate does not have basic constraints")
    constraints = list(_elements(_only(dict(found)[_BASIC_CONSTRAINTS], _SEQUENCE)))
    if constraints[:1] != [(_BOOLEAN, _TRUE)]:
        raise FormatError("the certificate is not of a CA by its basic constraints")
    if [tag for tag, _ in constraints[1:]] not in ([], [_INTEGER]):
        raise FormatError("the certificate's basic constraints are malformed")


def _extension(element: tuple[int, bytes]) -> tuple[bytes, bytes]:
    tag, body = element
    members = list(_elements(body)) if tag == _SEQUENCE else []
    tags = [member[0] for member in members]
    is_critical = tags == [_OBJECT, _BOOLEAN, _BYTES] and members[1][1] == _TRUE
    if tags != [_OBJECT, _BYTES] and not is_critical:
        raise FormatError("an extension of the certificate is malformed")
    return members[0][1], members[-1][1]


def _only(data: bytes, tag: int) -> bytes:
    elements = list(_elements(data))
    if len(elements) != 1 or elements[0][0] != tag:
        raise FormatError("the certificate's extensions are malformed")
    return elements[0][1]


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the elements that follow each other in `data`."""
    at = 0
    while at < len(data):
        tag, at, length = data[at], at + 2, data[at + 1] if at + 1 < len(data) else 0x80
        if length >= 0x80:
            content = length & 0x7F
            length = int.from_bytes(data[at : at + content], "big")
            at += content
            if not 1 <= content <= 3 or length < max(0x80, 1 << 8 * (content - 1)):
                raise FormatError("the bytes are not DER: a length is not in its shortest form")
        if tag & 0x1F == 0x1F or at + length > len(data):
            raise FormatError("the bytes are not DER: an element is longer than they are")
        yield tag, data[at : at + length]
        at += length


_LIMIT = 8192


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate in DER, as base64, and its display name."""

    der: Annotated[str, msgspec.Meta(max_length=4 * (_LIMIT // 3 + 1))]
    name: Text

    def __post_init__(self) -> None:
        check_name(self.name, 200)


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of certificates."""

    def check(key: str, certificate: Certificate) -> None:
        der = decode_base64(certificate.der)
        if len(der) > _LIMIT:
            raise ValueError(f"the certificate has more than {_LIMIT} bytes")
        if hashlib.sha256(der).hexdigest() != key:
            raise ValueError("the key is not the sha256 of the certificate")
        check_ca_certificate(der)

    convert_entries(kind, entries, Certificate, check)
