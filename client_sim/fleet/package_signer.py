"""Signs packages as a ROM's build does, by a key that is made for one run and kept by nobody.

The forms are those of FORMATS section 14.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

_BITS: Final = 2048
_LIFE: Final = timedelta(days=365)
_TEXT: Final = b"signed by SignApk\0"  # what AOSP writes there
_OPTIONS: Final = (
    pkcs7.PKCS7Options.DetachedSignature,
    pkcs7.PKCS7Options.Binary,
    pkcs7.PKCS7Options.NoAttributes,
)


class PackageSigner:
    """A new key and its certificate, which says that it begins at `now`, epoch seconds."""

    def __init__(self, now: float) -> None:
        self._key = rsa.generate_private_key(65537, _BITS)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hening fleet")])
        begin = datetime.fromtimestamp(now, UTC)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), 1)
        builder = builder.not_valid_before(begin).not_valid_after(begin + _LIFE)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.certificate = self._certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, octets: bytes) -> bytes:
        """Return an RSA signature of `octets`."""
        return self._key.sign(octets, padding.PKCS1v15(), hashes.SHA256())

    def sign_zip(self, archive: bytes) -> bytes:
        """Return a zip that has no comment with the whole-file signature as its comment."""
        signed = archive[:-2]
        builder = pkcs7.PKCS7SignatureBuilder().set_data(signed)
        builder = builder.add_signer(self._certificate, self._key, hashes.SHA256())
        message = builder.sign(serialization.Encoding.DER, list(_OPTIONS))
        length = (len(_TEXT) + len(message) + 6).to_bytes(2, "little")
        footer = (len(message) + 6).to_bytes(2, "little") + b"\xff\xff" + length
        return signed + length + _TEXT + message + footer
