"""The two signatures of a payload, checked with the certificate in the phone's image.

The metadata signature covers header and manifest; the payload signature covers header, manifest
and all data before itself, but not the metadata signature. Both are `Signatures` messages; one
signature in them that the phone's key made is enough, so that a package can be signed for a
change of keys. RSA PKCS#1 v1.5 with SHA-256.
"""

from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from client_sim.engine.errors import PackageError, SignatureError
from client_sim.engine.manifest import Manifest
from client_sim.engine.payload import MAX_SIGNATURES_BYTES, Payload, PayloadFile, PayloadHeader
from client_sim.engine.protobuf import decode_message

_MAX_SIGNATURES: Final = 16
_MIN_KEY_BITS: Final = 2048
_MAX_KEY_BITS: Final = 8192
_MAX_CERTIFICATE_BYTES: Final = 64 * 1024


def load_certificate_key(certificate: bytes) -> rsa.RSAPublicKey:
    """Return the RSA key of a PEM certificate; its dates do not matter, as on a phone.

    Raises SignatureError if it is no certificate or its key is not RSA of 2048 to 8192 bits.
    """
    if len(certificate) > _MAX_CERTIFICATE_BYTES:
        raise SignatureError("The certificate in the phone's image is too long to be one.")
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureError("The certificate in the phone's image cannot be read.") from None
    if not isinstance(key, rsa.RSAPublicKey) or not _MIN_KEY_BITS <= key.key_size <= _MAX_KEY_BITS:
        raise SignatureError(
            "The certificate in the phone's image has no RSA key of 2048 bits or more."
        )
    return key


def hash_certificate(certificate: bytes) -> str:
    """Return the sha256 of the DER form of a certificate; raises as `load_certificate_key` does."""
    load_certificate_key(certificate)
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256()).hex()


def verify_metadata_signature(
    file: PayloadFile, header: PayloadHeader, key: rsa.RSAPublicKey
) -> None:
    """Verify the signature of header and manifest; needs nothing decoded but the header.

    Raises SignatureError if there is none by `key`, PackageError if the message is malformed.
    """
    if header.metadata_signature_size == 0:
        raise SignatureError("The payload's metadata is not signed.")
    digest = file.hash_ranges((0, header.metadata_size))
    message = file.read(header.metadata_size, header.metadata_signature_size)
    _verify_any(key, message, digest, "metadata")


def verify_payload_signature(payload: Payload, key: rsa.RSAPublicKey) -> None:
    """Verify the signature of header, manifest and data.

    Raises SignatureError if there is none by `key`, PackageError if the message is malformed.
    """
    offset, size = find_payload_signature(payload.manifest)
    header = payload.header
    digest = payload.file.hash_ranges((0, header.metadata_size), (header.blobs_offset, offset))
    verify_payload_digest(payload.file.read(header.blobs_offset + offset, size), digest, key)


def find_payload_signature(manifest: Manifest) -> tuple[int, int]:
    """Return where in the data the payload signature starts, and its length in bytes.

    Raises SignatureError if there is none, PackageError if it is too long.
    """
    offset, size = manifest.signatures_offset, manifest.signatures_size
    if offset is None or not size:
        raise SignatureError("The payload is not signed.")
    if size > MAX_SIGNATURES_BYTES:
        raise PackageError("The payload has a signature that is too long.")
    return offset, size


def verify_payload_digest(message: bytes, digest: bytes, key: rsa.RSAPublicKey) -> None:
    """Verify a payload signature over the sha256 `digest`; raises as `verify_payload_signature`."""
    _verify_any(key, message, digest, "data")


def _verify_any(key: rsa.RSAPublicKey, message: bytes, digest: bytes, what: str) -> None:
    entries = decode_message(message, f"the signature of the payload's {what}").repeated(1)
    if len(entries) > _MAX_SIGNATURES:
        raise PackageError(f"The payload's {what} has more than {_MAX_SIGNATURES} signatures.")
    for entry in entries:
        signature = decode_message(entry, "a signature")
        octets = signature.octets(2) or b""
        unpadded = signature.fixed32(3)
        if unpadded is not None:
            if unpadded > len(octets):
                raise PackageError(f"A signature of the payload's {what} is cut short.")
            octets = octets[:unpadded]
        try:
            key.verify(octets, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        except InvalidSignature:
            continue
        return
    raise SignatureError(
        f"The payload's {what} is not signed by the key in the phone's image, so do not install it."
    )
