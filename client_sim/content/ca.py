"""Certificates that phones trust: their schema, and what two sets of them differ in."""

import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from client_sim.content.der import check_authority
from client_sim.content.shape import decode_base64, read_match, read_object
from client_sim.content.text import check_name
from client_sim.device.errors import ContentError

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DER_LIMIT: Final = 8_192


@dataclass(frozen=True, slots=True)
class TrustDifference:
    """Names of certificates by sha256: those of the second set alone, those of the first alone."""

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


def decode_pem(octets: bytes) -> dict[str, str]:
    """Return the names of the certificates of a PEM file by sha256; raises ContentError."""
    try:
        with _quiet():
            found = x509.load_pem_x509_certificates(octets)
            return {
                hashlib.sha256(
                    one.public_bytes(Encoding.DER)
                ).hexdigest(): one.subject.rfc4514_string()
                for one in found
            }
    except (ValueError, x509.InvalidVersion) as error:
        raise ContentError("The file has no certificates in PEM that can be read.") from error


def compare_trust(before: Mapping[str, str], after: Mapping[str, str]) -> TrustDifference:
    """Return what `after` trusts and `before` does not, and the other way round."""
    return TrustDifference(
        added={key: after[key] for key in sorted(after.keys() - before.keys())},
        removed={key: before[key] for key in sorted(before.keys() - after.keys())},
        kept=len(after.keys() & before.keys()),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep still about old certificates that are not made as they would be today."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
