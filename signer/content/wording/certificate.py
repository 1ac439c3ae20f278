"""A certificate by what people know it by."""

import base64
import hashlib
import warnings
from typing import Any

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning


def name_certificate(entry: dict[str, Any]) -> dict[str, str]:
    """Return name, subject, issuer, validity and the DER's sha256; ValueError if it is none."""
    der = base64.b64decode(entry["der"], validate=True)
    with warnings.catch_warnings():
        # Some roots that the whole web needs have the serial number 0, against RFC 5280.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            certificate = x509.load_der_x509_certificate(der)
        except x509.InvalidVersion as error:
            raise ValueError(str(error)) from error
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return {
            "name": str(entry["name"]),
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "valid": f"from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC",
            "sha256": hashlib.sha256(der).hexdigest(),
        }
