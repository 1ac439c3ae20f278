"""Reads the certificate that packages are signed for and checks signatures with its key."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from signer.ota.errors import SignatureError

_MAX_CERTIFICATE = 64 << 10
_LEAST_BITS, _MOST_BITS = 2048, 8192
_DIGEST = Prehashed(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: its DER form, DER issuer name, serial number and public key."""

    der: bytes
    issuer: bytes
    serial: int
    key: rsa.RSAPublicKey

    def is_signature(self, signature: bytes, digest: bytes) -> bool:
        """Whether `signature` is by this key over the SHA-256 `digest`, PKCS#1 v1.5."""
        try:
            self.key.verify(signature, digest, padding.PKCS1v15(), _DIGEST)
        except InvalidSignature:
            return False
        return True


def decode_certificate(raw: bytes) -> Certificate:
    """Decode an X.509 certificate, PEM or DER; SignatureError unless RSA of 2048 to 8192 bits."""
    if len(raw) > _MAX_CERTIFICATE:
        raise SignatureError("The certificate is larger than 64 KiB.")
    try:
        if raw.lstrip().startswith(b"-----BEGIN"):
            found = x509.load_pem_x509_certificate(raw)
        else:
            found = x509.load_der_x509_certificate(raw)
        key = found.public_key()
        issuer, serial = found.issuer.public_bytes(), found.serial_number
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignatureError("The certificate is not an X.509 certificate.") from error
    # What a phone takes (FORMATS section 14).
    if not isinstance(key, rsa.RSAPublicKey) or not _LEAST_BITS <= key.key_size <= _MOST_BITS:
        raise SignatureError(
            f"The certificate's key must be RSA of {_LEAST_BITS} to {_MOST_BITS} bits."
        )
    der = found.public_bytes(serialization.Encoding.DER)
    return Certificate(der, issuer, serial, key)
