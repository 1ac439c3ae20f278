"""Custota's signature of a package (`.csig`): the hash of each property file, signed.

A csig is a CMS SignedData (RFC 5652) in DER that encloses the hashes as JSON. Custota reads single
parts of a package over HTTP and checks them with the csig. Source: docs/FORMATS.md section 18.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from server.core.der import (
    CONTEXT_0,
    INTEGER,
    OBJECT_ID,
    OCTET_STRING,
    SEQUENCE,
    SET,
    decode_elements,
)
from server.core.errors import FormatError
from signer.errors import KeyStoreError
from signer.ota.errors import PropertiesError, SignatureError
from signer.ota.metadata import METADATA_PB, PROPERTY_FILES
from signer.ota.properties import decode_property_files
from signer.ota.signatures import Certificate, decode_certificate, take
from signer.ota.summary import OtaFacts

_NEEDED = METADATA_PB.rpartition("/")[2]
_BLOCK = 1 << 20


def list_parts(facts: OtaFacts) -> list[dict[str, Any]]:
    """Return name, offset, size and sha256 of each property file of a package, in listed order.

    Raises PropertiesError if metadata.pb, which Custota reads, is not among them.
    """
    spans = decode_property_files(facts.property_files, PROPERTY_FILES)
    if _NEEDED not in spans:
        raise PropertiesError(
            f"{facts.shown} does not list {_NEEDED} in {PROPERTY_FILES}, and Custota needs it:"
            " build the package with the tools of Android 12 or later."
        )
    parts = []
    with facts.path.open("rb") as file:
        for name, span in spans.items():
            digest, remaining = hashlib.sha256(), span.size
            file.seek(span.offset)
            while remaining and (data := file.read(min(remaining, _BLOCK))):
                digest.update(data)
                remaining -= len(data)
            size = {"name": name, "offset": span.offset, "size": span.size}
            parts.append(size | {"digest": digest.hexdigest()})
    return parts


def make_csig(
    facts: OtaFacts, key: bytes, certificate: bytes, passphrase: Callable[[str], bytes]
) -> bytes:
    """Return the csig of a package, signed with the OTA key in PEM.

    `passphrase` is called if the key is encrypted. Raises KeyStoreError unless key and certificate
    are an RSA pair.
    """
    signer = _load_key(key, passphrase)
    holder = x509.load_der_x509_certificate(decode_certificate(certificate).der)
    if signer.public_key() != holder.public_key():
        raise KeyStoreError("The key does not belong to the certificate; give a matching pair.")
    document = {"version": 2, "files": list_parts(facts)}
    builder = pkcs7.PKCS7SignatureBuilder().set_data(json.dumps(document).encode())
    return builder.add_signer(holder, signer, hashes.SHA256()).sign(
        serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary]
    )


def _load_key(pem: bytes, passphrase: Callable[[str], bytes]) -> rsa.RSAPrivateKey:
    try:
        secret = passphrase("the OTA key") if b"ENCRYPTED" in pem else None
        key = serialization.load_pem_private_key(pem, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyStoreError(
            "The OTA key cannot be read: it is not a private key in PEM, or the passphrase is"
            " wrong."
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyStoreError("The OTA key is not an RSA key, and packages are signed with RSA.")
    return key


def check_csig(path: Path, facts: OtaFacts, certificate: Certificate | None) -> None:
    """Raise SignatureError unless the csig at `path` describes this package.

    If the package's certificate is given, the csig must enclose it.
    """
    try:
        parts = decode_elements(path.read_bytes())
        signed = _sequence(take(_sequence(take(parts, SEQUENCE).content), CONTEXT_0).content)
        take(signed, INTEGER)
        take(signed, SET)
        content = decode_elements(take(signed, SEQUENCE).content)
        take(content, OBJECT_ID)
        wrapped = decode_elements(take(content, CONTEXT_0).content)
        document = json.loads(take(wrapped, OCTET_STRING).content)
        enclosed = take(signed, CONTEXT_0).content
        files, version = document["files"], document["version"]
    except (FormatError, SignatureError, ValueError, TypeError, KeyError) as error:
        raise SignatureError(
            f"{path.name} is not a csig of version 2: make it with `hening-signer ota csig`."
        ) from error
    if version != 2 or files != list_parts(facts):
        raise SignatureError(
            f"{path.name} is not the csig of the bytes of {facts.shown}: make it again."
        )
    if certificate is not None and certificate.der not in enclosed:
        raise SignatureError(
            f"{path.name} is signed with another certificate than {facts.shown}: make it again."
        )


def _sequence(data: bytes) -> list[Any]:
    """Return the elements after the object id of a ContentInfo, or those of the one sequence."""
    elements = decode_elements(data)
    if elements and elements[0].tag == OBJECT_ID:
        return elements[1:]
    return decode_elements(take(elements, SEQUENCE).content)
