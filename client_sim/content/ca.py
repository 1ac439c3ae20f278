"""Certificates that phones trust: their schema, and differences between two sets of them."""

import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from client_sim.content.kinds import decode_base64, read_match, read_object
from client_sim.content.text import check_name
from client_sim.device.errors import ContentError

_BOOLEAN: Final = 0x01
_INTEGER: Final = 0x02
_BIT_STRING: Final = 0x03
_OCTET_STRING: Final = 0x04
_OBJECT_IDENTIFIER: Final = 0x06
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UNIQUE_IDENTIFIERS: Final = (0x81, 0x82)
_EXTENSIONS: Final = 0xA3
_VERSION_3: Final = b"\x02\x01\x02"
_BASIC_CONSTRAINTS: Final = b"\x55\x1d\x13"  # 2.5.29.19
_TRUE: Final = b"\xff"
_OWN_LENGTH_LIMIT: Final = 3
"""Most bytes of an encoded length: certificates have at most 8,192 bytes."""


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    body: bytes


def check_authority(der: bytes) -> None:
    """Check that `der` is one CA certificate, version 3; raises ContentError."""
    (certificate,) = _take(_read_all(der), _SEQUENCE)
    signed, _, _ = _take(_read_all(certificate.body), _SEQUENCE, _SEQUENCE, _BIT_STRING)
    members = _read_all(signed.body)
    version, *_ = _take(members[:7], _VERSION, _INTEGER, *[_SEQUENCE] * 5)
    if version.body != _VERSION_3:
        raise ContentError("A certificate is not of version 3.")
    between = [element.tag for element in members[7:-1]]
    if between != [tag for tag in _UNIQUE_IDENTIFIERS if tag in between]:
        raise _malformed()
    (wrapped,) = _take(members[7:][-1:], _EXTENSIONS)
    (listed,) = _take(_read_all(wrapped.body), _SEQUENCE)
    extensions: dict[bytes, bytes] = {}
    for element in _read_all(listed.body):
        identifier, value = _read_extension(element)
        if identifier in extensions:
            raise ContentError("A certificate has an extension twice.")
        extensions[identifier] = value
    _check_constraints(extensions.get(_BASIC_CONSTRAINTS))


def _read_extension(element: _Element) -> tuple[bytes, bytes]:
    members = _read_all(_take([element], _SEQUENCE)[0].body)
    if len(members) == 3 and members[1] == _Element(_BOOLEAN, _TRUE):
        del members[1]
    identifier, value = _take(members, _OBJECT_IDENTIFIER, _OCTET_STRING)
    return identifier.body, value.body


def _check_constraints(value: bytes | None) -> None:
    none = ContentError("A certificate is none of an authority.")
    if value is None:
        raise none
    (constraints,) = _take(_read_all(value), _SEQUENCE)
    is_authority, *depth = _read_all(constraints.body) or [_Element(_BOOLEAN, b"")]
    if is_authority != _Element(_BOOLEAN, _TRUE):
        raise none
    if depth:
        _take(depth, _INTEGER)


def _take(elements: list[_Element], *tags: int) -> list[_Element]:
    """Return `elements`; their tags must be exactly `tags`."""
    if [element.tag for element in elements] != list(tags):
        raise _malformed()
    return elements


def _read_all(data: bytes) -> list[_Element]:
    """Return the sequence of elements that fills `data`; nested ones are not decoded."""
    found = []
    rest = memoryview(data)
    while rest:
        if len(rest) < 2 or rest[0] & 0x1F == 0x1F:  # a tag of several bytes
            raise _malformed()
        head, length = 2, rest[1]
        if length > 0x7F:
            head, length = _read_length(rest)
        if len(rest) < head + length:
            raise _malformed()
        found.append(_Element(rest[0], bytes(rest[head : head + length])))
        rest = rest[head + length :]
    return found


def _read_length(element: memoryview) -> tuple[int, int]:
    """Return where the body begins, and a length that is encoded in more than one byte."""
    own = element[1] - 0x80
    length = int.from_bytes(element[2 : 2 + own], "big")
    shortest = 1 if length < 0x100 else 2 if length < 0x10000 else 3
    if not 1 <= own <= _OWN_LENGTH_LIMIT or len(element) < 2 + own:
        raise _malformed()
    if length < 0x80 or own != shortest:
        raise _malformed()
    return 2 + own, length


def _malformed() -> ContentError:
    return ContentError("A certificate is not DER of the form that certificates have.")


_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DER_LIMIT: Final = 8_192


@dataclass(frozen=True, slots=True)
class TrustDifference:
    """Names of certificates by sha256: those only in the second set, those only in the first."""

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
            raise ContentError("A certificate is not the one that its key names.")
        check_authority(der)


def list_certificates(entries: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a pack's certificates by sha256."""
    return {key: entries[key]["name"] for key in sorted(entries)}


def decode_pem(data: bytes) -> dict[str, str]:
    """Return the names of the certificates of a PEM file by sha256; raises ContentError."""
    try:
        with _quiet():
            found = x509.load_pem_x509_certificates(data)
            return {
                hashlib.sha256(
                    one.public_bytes(Encoding.DER)
                ).hexdigest(): one.subject.rfc4514_string()
                for one in found
            }
    except (ValueError, x509.InvalidVersion) as error:
        raise ContentError("The file has no certificates in PEM that can be read.") from error


def compare_trust(before: Mapping[str, str], after: Mapping[str, str]) -> TrustDifference:
    """Return the certificates that only `after` trusts, and those that only `before` trusts."""
    return TrustDifference(
        added={key: after[key] for key in sorted(after.keys() - before.keys())},
        removed={key: before[key] for key in sorted(before.keys() - after.keys())},
        kept=len(after.keys() & before.keys()),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings about old certificates that break today's rules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
