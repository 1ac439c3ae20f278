"""Verifies the signatures of payload and package with the certificate in the phone's image.

The metadata signature covers header and manifest. The payload signature covers header, manifest and
all data before itself, but not the metadata signature. Both are `Signatures` messages. One valid
signature by the phone's key is enough, so that a package can also be signed with a new key during a
rotation. The algorithm is RSA PKCS#1 v1.5 with SHA-256.
"""

from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from client_sim.der import (
    BYTES,
    CONTEXT_0,
    INTEGER,
    OBJECT,
    SEQUENCE,
    SET,
    Element,
    decode_elements,
    take,
)
from client_sim.engine.errors import PackageError, SignatureError
from client_sim.engine.manifest import Manifest
from client_sim.engine.payload import MAX_SIGNATURES_BYTES, Payload, PayloadFile, PayloadHeader
from client_sim.engine.protobuf import decode_message

_MAX_SIGNATURES: Final = 16
_MIN_KEY_BITS: Final = 2048
_MAX_KEY_BITS: Final = 8192
_MAX_CERTIFICATE_BYTES: Final = 64 * 1024


def load_certificate_key(certificate: bytes) -> rsa.RSAPublicKey:
    """Return the RSA key of a PEM certificate; its validity dates are ignored, as on a phone.

    Raises SignatureError if it is not a certificate or its key is not RSA of 2048 to 8192 bits.
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
    """Return the sha256 of the DER form of a certificate; raises like `load_certificate_key`."""
    load_certificate_key(certificate)
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256()).hex()


def verify_metadata_signature(
    file: PayloadFile, header: PayloadHeader, key: rsa.RSAPublicKey
) -> None:
    """Verify the signature of header and manifest, before the manifest is decoded.

    Raises SignatureError unless `key` signed it, PackageError if the message is malformed.
    """
    if header.metadata_signature_size == 0:
        raise SignatureError("The payload's metadata is not signed.")
    digest = file.hash_ranges((0, header.metadata_size))
    message = file.read(header.metadata_size, header.metadata_signature_size)
    _verify_any(key, message, digest, "metadata")


def verify_payload_signature(payload: Payload, key: rsa.RSAPublicKey) -> None:
    """Verify the signature of header, manifest and data.

    Raises SignatureError unless `key` signed it, PackageError if the message is malformed.
    """
    offset, size = find_payload_signature(payload.manifest)
    header = payload.header
    digest = payload.file.hash_ranges((0, header.metadata_size), (header.blobs_offset, offset))
    verify_payload_digest(payload.file.read(header.blobs_offset + offset, size), digest, key)


def find_payload_signature(manifest: Manifest) -> tuple[int, int]:
    """Return the offset of the payload signature in the data, and its length in bytes.

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


def _verify_any(key: rsa.RSAPublicKey, message: bytes, digest: bytes, part: str) -> None:
    entries = decode_message(message, f"the signature of the payload's {part}").repeated(1)
    if len(entries) > _MAX_SIGNATURES:
        raise PackageError(f"The payload's {part} has more than {_MAX_SIGNATURES} signatures.")
    for entry in entries:
        signature = decode_message(entry, "a signature")
        data = signature.data(2) or b""
        unpadded = signature.fixed32(3)
        if unpadded is not None:
            if unpadded > len(data):
                raise PackageError(f"A signature of the payload's {part} is cut short.")
            data = data[:unpadded]
        try:
            key.verify(data, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        except InvalidSignature:
            continue
        return
    raise SignatureError(
        f"The payload's {part} is not signed by the key in the phone's image, so do not install it."
    )


_END_RECORD: Final = b"PK\x05\x06"
# An end record without its comment.
_END_RECORD_BYTES: Final = 22
_FOOTER_BYTES: Final = 6
MAX_TAIL_BYTES: Final = _END_RECORD_BYTES + 0xFFFF
"""Bytes at a package's end that contain the longest possible comment."""

_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_SHA256: Final = bytes.fromhex("608648016503040201")
_MAX_SIGNERS: Final = 16


def find_signed_length(tail: bytes, length: int) -> int:
    """Return the number of signed bytes of a package of `length` bytes that ends with `tail`.

    Raises SignatureError if the zip's comment has no signature.
    """
    footer = tail[-_FOOTER_BYTES:]
    comment = int.from_bytes(footer[4:6], "little")
    start = int.from_bytes(footer[0:2], "little")
    if len(footer) < _FOOTER_BYTES or footer[2:4] != b"\xff\xff":
        raise SignatureError("The package has no whole-file signature.")
    if not _FOOTER_BYTES < start <= comment or comment + _END_RECORD_BYTES > len(tail):
        raise SignatureError("The package's whole-file signature is not where it should be.")
    record = tail[-comment - _END_RECORD_BYTES :]
    # With a second end record inside the comment, other readers could see a different zip.
    if not record.startswith(_END_RECORD) or _END_RECORD in record[1:]:
        raise SignatureError("The package does not end as a signed zip does.")
    if record[20:22] != footer[4:6]:
        raise SignatureError("The package's comment is not as long as it says.")
    return length - comment - 2


def verify_whole_file(tail: bytes, digest: bytes, key: rsa.RSAPublicKey) -> None:
    """Verify the signature in `tail`, the end of a package whose signed bytes hash to `digest`.

    Call `find_signed_length` first. Raises SignatureError unless `key` signed it, PackageError if
    the signature is malformed.
    """
    start = int.from_bytes(tail[-_FOOTER_BYTES : -_FOOTER_BYTES + 2], "little")
    for signature in _decode_signatures(tail[-start:-_FOOTER_BYTES]):
        try:
            key.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        except InvalidSignature:
            continue
        return
    raise SignatureError(
        "The package is not signed by the key in the phone's image, so do not install it."
    )


def _decode_signatures(data: bytes) -> list[bytes]:
    """Return the signatures of those signers of a CMS message that use SHA-256."""
    try:
        (content,) = take(decode_elements(data), SEQUENCE)
        kind, wrapped = take(content.elements(), OBJECT, CONTEXT_0)
        if kind.content != _SIGNED_DATA:
            raise PackageError("The package's signature is not a CMS signature.")
        (signed,) = take(wrapped.elements(), SEQUENCE)
        (signers,) = take(signed.elements()[-1:], SET)
        infos = signers.elements()
        if len(infos) > _MAX_SIGNERS:
            raise PackageError(f"The package has more than {_MAX_SIGNERS} whole-file signatures.")
        return [each for each in map(_decode_signer, infos) if each is not None]
    except ValueError:
        raise PackageError("The package's signature is malformed.") from None


def _decode_signer(info: Element) -> bytes | None:
    # Signed attributes are refused: the signature would cover them instead of the content, which
    # Android's recovery does not support.
    parts = take([info], SEQUENCE)[0].elements()
    _, _, algorithm, _, signature = take(parts, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, BYTES)
    (name,) = take(algorithm.elements()[:1], OBJECT)
    return signature.content if name.content == _SHA256 else None
