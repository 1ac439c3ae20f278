"""Entries of `ca`: certificates of the authorities that phones trust, each by its sha256.

Source: docs/FORMATS.md section 15.
"""

import hashlib
from typing import Annotated

import msgspec

from server.core.content.kinds import convert_entries
from server.core.content.part import Entries
from server.core.content.text import Text, check_name
from server.core.der import (
    BIT_STRING,
    BOOLEAN,
    CONTEXT_0,
    INTEGER,
    OBJECT_ID,
    OCTET_STRING,
    SEQUENCE,
    Element,
    decode_elements,
)
from server.core.encodings import decode_base64
from server.core.errors import FormatError

_ISSUER_ID, _SUBJECT_ID, _EXTENSIONS = 0x81, 0x82, 0xA3
_LAST_MEMBERS = (
    [_EXTENSIONS],
    [_ISSUER_ID, _EXTENSIONS],
    [_SUBJECT_ID, _EXTENSIONS],
    [_ISSUER_ID, _SUBJECT_ID, _EXTENSIONS],
)
_VERSION_3 = b"\x02\x01\x02"
_BASIC_CONSTRAINTS = bytes.fromhex("551d13")  # 2.5.29.19
_TRUE = b"\x01\x01\xff"


def check_ca_certificate(der: bytes) -> None:
    """Raise FormatError unless `der` is one X.509 certificate, version 3, of a CA."""
    whole = decode_elements(der)
    if [each.tag for each in whole] != [SEQUENCE]:
        raise FormatError("the bytes are not one certificate")
    parts = decode_elements(whole[0].content)
    if [part.tag for part in parts] != [SEQUENCE, SEQUENCE, BIT_STRING]:
        raise FormatError("the certificate is not a sequence of content, algorithm and signature")
    signed = decode_elements(parts[0].content)
    tags = [member.tag for member in signed]
    if tags[:7] != [CONTEXT_0, INTEGER, *[SEQUENCE] * 5] or tags[7:] not in _LAST_MEMBERS:
        raise FormatError("the certificate has no version, or no extensions")
    if signed[0].content != _VERSION_3:
        raise FormatError("the certificate is not of version 3")
    found = list(map(_extension, _members(signed[-1].content)))
    if len(dict(found)) != len(found):
        raise FormatError("the certificate has an extension twice")
    if _BASIC_CONSTRAINTS not in dict(found):
        raise FormatError("the certificate does not have basic constraints")
    constraints = _members(dict(found)[_BASIC_CONSTRAINTS])
    if [each.encoding for each in constraints[:1]] != [_TRUE]:
        raise FormatError("the certificate's basic constraints are not those of a CA")
    if [each.tag for each in constraints[1:]] not in ([], [INTEGER]):
        raise FormatError("the certificate's basic constraints are malformed")


def _extension(element: Element) -> tuple[bytes, bytes]:
    members = decode_elements(element.content) if element.tag == SEQUENCE else []
    tags = [member.tag for member in members]
    is_critical = tags == [OBJECT_ID, BOOLEAN, OCTET_STRING] and members[1].encoding == _TRUE
    if tags != [OBJECT_ID, OCTET_STRING] and not is_critical:
        raise FormatError("an extension of the certificate is malformed")
    return members[0].content, members[-1].content


def _members(data: bytes) -> list[Element]:
    """Return the members of the one sequence in `data`."""
    elements = decode_elements(data)
    if [element.tag for element in elements] != [SEQUENCE]:
        raise FormatError("the certificate's extensions are malformed")
    return decode_elements(elements[0].content)


MAX_CERTIFICATE = 8192  # bytes of DER
MAX_NAME = 200  # characters


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate in DER, as base64, and its display name."""

    der: Annotated[str, msgspec.Meta(max_length=4 * (MAX_CERTIFICATE // 3 + 1))]
    name: Text

    def __post_init__(self) -> None:
        check_name(self.name, MAX_NAME)


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of certificates."""

    def check(key: str, certificate: Certificate) -> None:
        der = decode_base64(certificate.der)
        if len(der) > MAX_CERTIFICATE:
            raise ValueError(f"the certificate has more than {MAX_CERTIFICATE} bytes")
        if hashlib.sha256(der).hexdigest() != key:
            raise ValueError("the key is not the sha256 of the certificate")
        check_ca_certificate(der)

    convert_entries(kind, entries, Certificate, check)
