"""The whole-file signature in the comment of an OTA zip, checked as Android's recovery does it.

The comment ends in six bytes, little-endian: how far before the end of the file the signature
starts, `ff ff`, and the comment's length. The signature is a detached CMS SignedData (RFC 5652)
without signed attributes over all that comes before the two bytes of the comment's length.
RSA PKCS#1 v1.5 with SHA-256. The certificates in the CMS are not looked at: what counts is the key
in the phone's image.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from client_sim.engine.der import INTEGER, OBJECT, OCTETS, SEQUENCE, SET, Element, decode_elements
from client_sim.engine.errors import PackageError, SignatureError

_END_RECORD: Final = b"PK\x05\x06"
# An end record without its comment.
_END_RECORD_BYTES: Final = 22
_FOOTER_BYTES: Final = 6
MAX_TAIL_BYTES: Final = _END_RECORD_BYTES + 0xFFFF
"""As much of a package's end as holds the longest comment."""

_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_SHA256: Final = bytes.fromhex("608648016503040201")
_CONTEXT_0: Final = 0xA0
_MAX_SIGNERS: Final = 16


def find_signed_length(tail: bytes, length: int) -> int:
    """Return how many bytes of a package of `length` bytes are signed; `tail` is its end.

    Raises SignatureError if the zip's comment is not one with a signature.
    """
    footer = tail[-_FOOTER_BYTES:]
    comment = int.from_bytes(footer[4:6], "little")
    start = int.from_bytes(footer[0:2], "little")
    if len(footer) < _FOOTER_BYTES or footer[2:4] != b"\xff\xff":
        raise SignatureError("The package has no whole-file signature.")
    if not _FOOTER_BYTES < start <= comment or comment + _END_RECORD_BYTES > len(tail):
        raise SignatureError("The package's whole-file signature is not where it should be.")
    record = tail[-comment - _END_RECORD_BYTES :]
    # Were there a second one inside the comment, other readers could see another zip than we do.
    if not record.startswith(_END_RECORD) or _END_RECORD in record[1:]:
        raise SignatureError("The package does not end as a signed zip does.")
    if record[20:22] != footer[4:6]:
        raise SignatureError("The package's comment is not as long as it says.")
    return length - comment - 2


def verify_whole_file(tail: bytes, digest: bytes, key: rsa.RSAPublicKey) -> None:
    """Verify the signature in `tail`, the end of a package whose signed bytes hash to `digest`.

    Call `find_signed_length` first. Raises SignatureError if there is none by `key`, PackageError
    if it is malformed.
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
    """Return the signatures of the signers of a CMS message that use SHA-256."""
    (content,) = _expect(decode_elements(data), SEQUENCE)
    kind, wrapped = _expect(content.elements(), OBJECT, _CONTEXT_0)
    if kind.content != _SIGNED_DATA:
        raise PackageError("The package's signature is no CMS signature.")
    (signed,) = _expect(wrapped.elements(), SEQUENCE)
    signers = signed.elements()[-1:]
    (signers_set,) = _expect(signers, SET)
    infos = signers_set.elements()
    if len(infos) > _MAX_SIGNERS:
        raise PackageError(f"The package has more than {_MAX_SIGNERS} whole-file signatures.")
    return [each for each in map(_decode_signer, infos) if each is not None]


def _decode_signer(info: Element) -> bytes | None:
    parts = info.elements()
    if info.tag != SEQUENCE or len(parts) < 5:
        raise PackageError("The package's signature is malformed.")
    # With signed attributes the signature would be over those; recovery does not take that.
    _, _, algorithm, _, signature = _expect(parts, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, OCTETS)
    names = algorithm.elements()
    if not names or names[0].tag != OBJECT:
        raise PackageError("The package's signature is malformed.")
    return signature.content if names[0].content == _SHA256 else None


def _expect(elements: list[Element], *tags: int) -> list[Element]:
    if [element.tag for element in elements] != list(tags):
        raise PackageError("The package's signature is malformed.")
    return elements
