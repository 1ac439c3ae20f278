"""CA certificates that phones trust: checks, and the difference between two sets."""

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from client_sim.content.kinds import decode_base64, read_match, read_object
from client_sim.content.text import check_name
from client_sim.der import (
    BIT_STRING,
    BOOLEAN,
    BYTES,
    CONTEXT_0,
    INTEGER,
    OBJECT,
    SEQUENCE,
    Element,
    decode_elements,
    take,
)
from client_sim.device.errors import ContentError

_UNIQUE_IDENTIFIERS: Final = (0x81, 0x82)
_EXTENSIONS: Final = 0xA3
_TRUE: Final = Element(BOOLEAN, b"\xff")
_VERSION_3: Final = b"\x02\x01\x02"
_BASIC_CONSTRAINTS: Final = b"\x55\x1d\x13"  # 2.5.29.19


def check_authority(der: bytes) -> None:
    """Check that `der` is one CA certificate, version 3; raises ContentError."""
    try:
        constraints = _read_extensions(der).get(_BASIC_CONSTRAINTS)
        is_authority = constraints is not None and _is_authority(constraints)
    except ValueError:
        raise ContentError("A certificate is not an X.509 certificate in DER.") from None
    if not is_authority:
        raise ContentError("A certificate is not a CA certificate.")


def _read_extensions(der: bytes) -> dict[bytes, bytes]:
    """Return the values of a certificate's extensions by identifier.

    Raises ContentError, and ValueError for malformed DER.
    """
    (certificate,) = take(decode_elements(der), SEQUENCE)
    signed, _, _ = take(certificate.elements(), SEQUENCE, SEQUENCE, BIT_STRING)
    members = signed.elements()
    version, *_ = take(members[:7], CONTEXT_0, INTEGER, *[SEQUENCE] * 5)
    if version.content != _VERSION_3:
        raise ContentError("A certificate is not of version 3.")
    between = [element.tag for element in members[7:-1]]
    take(members[7:-1], *(tag for tag in _UNIQUE_IDENTIFIERS if tag in between))
    (wrapped,) = take(members[7:][-1:], _EXTENSIONS)
    (listed,) = take(wrapped.elements(), SEQUENCE)
    extensions: dict[bytes, bytes] = {}
    for element in listed.elements():
        identifier, value = _read_extension(element)
        if identifier in extensions:
            raise ContentError("A certificate has an extension twice.")
        extensions[identifier] = value
    return extensions


def _read_extension(element: Element) -> tuple[bytes, bytes]:
    members = take([element], SEQUENCE)[0].elements()
    if len(members) == 3 and members[1] == _TRUE:
        del members[1]
    identifier, value = take(members, OBJECT, BYTES)
    return identifier.content, value.content


def _is_authority(constraints: bytes) -> bool:
    (listed,) = take(decode_elements(constraints), SEQUENCE)
    members = listed.elements()
    if members[:1] != [_TRUE]:
        return False
    if depth := members[1:]:
        take(depth, INTEGER)
    return True


_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DER_LIMIT: Final = 8_192


@dataclass(frozen=True, slots=True)
class TrustDifference:
    """The difference between two sets of certificates: names by sha256, and the number in both."""

    added: Mapping[str, str]
    removed: Mapping[str, str]
    kept: int


def check_certificates(entries: Mapping[str, Any]) -> None:
    """Check the entries of a pack; raises ContentError."""
    for key, entry in entries.items():
        read_match("A certificate's key", key, _SHA256)
        certificate = read_object("A certificate", entry, ("der", "name"))
        check_name(certificate["name"], 200)
        der = decode_base64("A certificate", certificate["der"], _DER_LIMIT)
        if hashlib.sha256(der).hexdigest() != key:
            raise ContentError("A certificate does not have the sha256 that is its key.")
        check_authority(der)


def list_certificates(entries: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a pack's certificates by sha256."""
    return {key: entries[key]["name"] for key in sorted(entries)}


def decode_pem(data: bytes) -> dict[str, str]:
    """Return the names of the certificates of a PEM file by sha256; raises ContentError."""
    try:
        # There are warnings about old certificates that violate current rules.
        with warnings.catch_warnings(action="ignore"):
            found = x509.load_pem_x509_certificates(data)
            return {
                hashlib.sha256(
                    one.public_bytes(Encoding.DER)
                ).hexdigest(): one.subject.rfc4514_string()
                for one in found
            }
    except (ValueError, x509.InvalidVersion) as error:
        raise ContentError("The file has no readable PEM certificates.") from error


def compare_trust(before: Mapping[str, str], after: Mapping[str, str]) -> TrustDifference:
    """Return the certificates that only `after` trusts, and those that only `before` trusts."""
    return TrustDifference(
        added={key: after[key] for key in sorted(after.keys() - before.keys())},
        removed={key: before[key] for key in sorted(before.keys() - after.keys())},
        kept=len(after.keys() & before.keys()),
    )
