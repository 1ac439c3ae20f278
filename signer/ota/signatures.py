"""Decodes the `Signatures` messages of a payload and checks them."""

from signer.ota.certificate import Certificate
from signer.ota.errors import SignatureError
from signer.ota.protobuf import decode_message
from signer.ota.schemas import SIGNATURES

_MAX_SIGNATURES = 16
_MAX_LENGTH = 1024


def decode_signatures(raw: bytes, what: str) -> list[bytes]:
    """Return the signatures of a `Signatures` message.

    `what` names it in errors: `metadata signature` or `payload signature`.
    A signature may be padded with zeros; what it measures is then stated.
    """

    def fail(fault: str) -> SignatureError:
        return SignatureError(f"The {what} {fault}.", f"has a good {what}")

    message = decode_message(raw, SIGNATURES, lambda fault: fail(f"is malformed: {fault}"))
    found = []
    for signature in message.messages(1):
        if signature.unknown or message.unknown:
            raise fail("has a field that no package uses")
        data = signature.data(2)
        length = signature.integer(3, len(data))
        if not 0 < length <= len(data) <= _MAX_LENGTH or any(data[length:]):
            raise fail("has a signature of an impossible length")
        found.append(data[:length])
    if not 0 < len(found) <= _MAX_SIGNATURES:
        raise fail(f"has {len(found)} signatures")
    return found


def verify_signatures(raw: bytes, digest: bytes, certificate: Certificate, what: str) -> None:
    """Raise SignatureError unless one of the signatures is the certificate's over `digest`."""
    if not raw:
        raise SignatureError(f"The {what} is missing.", f"has a good {what}")
    if not any(certificate.is_signature(each, digest) for each in decode_signatures(raw, what)):
        raise SignatureError(
            f"The {what} is not by the given certificate over these bytes.", f"has a good {what}"
        )
