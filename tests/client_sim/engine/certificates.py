"""Certificates for keys of tests."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID


def make_certificate(key) -> bytes:
    """Make a self-signed PEM certificate that has long expired, which a phone ignores."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(dt.datetime(2009, 1, 1, tzinfo=dt.UTC))
    builder = builder.not_valid_after(dt.datetime(2010, 1, 1, tzinfo=dt.UTC))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
