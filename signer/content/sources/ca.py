"""Certificates that phones trust, from PyPI's certifi or a file in PEM.

Only CA certificates are used: their basic constraints extension says that they may sign others.
"""

import base64
import hashlib
import importlib.metadata
import re
import unicodedata
import warnings
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from server.core.content.ca import MAX_CERTIFICATE, MAX_NAME, check_ca_certificate
from server.core.errors import FormatError
from signer.content.sources.build_result import BuildResult, LeftOut, name_source
from signer.errors import SourceError

NAME = "certifi"
LICENCE = "MPL-2.0"
BEGIN = b"-----BEGIN CERTIFICATE-----"
BLOCK = re.compile(BEGIN + rb".+?-----END CERTIFICATE-----", re.DOTALL)
NAMED_BY = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME)


def load_ca(
    path: Path | None = None, version: str = "", *, name: str = NAME, licence: str = LICENCE
) -> BuildResult:
    """Build the kind `ca` from a file in PEM, or certifi's.

    `version` is that of the file's package. Raises SourceError if the file has no certificate, or
    one that cannot be read.
    """
    if path is None:
        path, version = Path(certifi.where()), importlib.metadata.version(NAME)
    text = path.read_bytes()
    blocks = list(BLOCK.finditer(text))
    if not blocks or len(blocks) != text.count(BEGIN):
        raise SourceError(f"{path} has no certificates in PEM, or one that does not end.")
    entries: dict[str, object] = {}
    left_out = LeftOut()
    for block in blocks:
        line = text.count(b"\n", 0, block.start()) + 1
        try:
            title, der, reason = _judge(block[0])
        except ValueError as error:
            raise SourceError(f"{path}, line {line}: not a certificate: {error}.") from error
        if reason:
            left_out.add(reason, f"line {line}: {title}")
            continue
        key = hashlib.sha256(der).hexdigest()
        if key in entries:
            left_out.add("it is a duplicate", f"line {line}: {title}")
        entries[key] = {
            "der": base64.b64encode(der).decode(),
            "name": title,
        }
    sources = [name_source(name, version, licence)]
    return BuildResult(dict(sorted(entries.items())), sources, left_out=left_out)


def _judge(block: bytes) -> tuple[str, bytes, str]:
    """Return a certificate's title, its DER, and why it is left out (empty if it is kept)."""
    with warnings.catch_warnings():
        # Some widely used roots have the serial number 0, which RFC 5280 forbids.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        certificate = x509.load_pem_x509_certificate(block)
        der = certificate.public_bytes(Encoding.DER)
        return _title_of(certificate), der, _why_left_out(der)


def _why_left_out(der: bytes) -> str:
    if len(der) > MAX_CERTIFICATE:
        return f"it has more than {MAX_CERTIFICATE} bytes"
    try:
        check_ca_certificate(der)
    except FormatError as error:
        return str(error)
    return ""


def _title_of(certificate: x509.Certificate) -> str:
    """Return a title: the common name, else the unit, the organisation or the whole subject."""
    for oid in NAMED_BY:
        if found := certificate.subject.get_attributes_for_oid(oid):
            words = str(found[0].value)
            break
    else:
        words = certificate.subject.rfc4514_string()
    line = " ".join(unicodedata.normalize("NFC", words).split())
    return line[:MAX_NAME] or "?"
