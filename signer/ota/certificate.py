"""Reads the certificate that packages are signed for and checks signatures with its key."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from signer.ota.errors import SignatureError

_MAX_CERTIFICATE = 64 << 10
_DIGEST = Prehashed(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: its DER form, DER issuer name, serial number and public key."""

    der: bytes
    issuer: bytes
    serial: int
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey

    def is_signature(self, signature: bytes, digest: bytes) -> bool:
        """Whether `signature` is by this key over the SHA-256 `digest`.

        RSA is PKCS#1 v1.5; elliptic curves are ECDSA.
        """
        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, digest, padding.PKCS1v15(), _DIGEST)
            else:
                self.key.verify(signature, digest, ec.ECDSA(_DIGEST))
        except InvalidSignature:
            return False
        return True


def decode_certificate(raw: bytes) -> Certificate:
    """Decode an X.509 certificate, PEM or DER; SignatureError unless RSA-2048 or more, or P-256."""
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
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < 2048:
            raise SignatureError("The certificate's RSA key is shorter than 2048 bits.")
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError("The certificate's key is neither RSA nor P-256.")
    der = found.public_bytes(serialization.Encoding.DER)
    return Certificate(der, issuer, serial, key)
