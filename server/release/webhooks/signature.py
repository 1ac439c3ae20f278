"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 over identifier, time and body."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence

from server.core.encodings import decode_base64
from server.core.errors import FormatError

PREFIX = "whsec_"
SECRET_OCTETS = 32  # the specification asks for 24 to 64


def make_secret(entropy: Callable[[int], bytes]) -> str:
    """Return a fresh secret as it is shown: `whsec_` and base64."""
    return PREFIX + base64.b64encode(entropy(SECRET_OCTETS)).decode()


def sign_message(
    secrets: Sequence[str], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the three headers that sign `body`; `timestamp` is the attempt's, in epoch seconds.

    Each of `secrets` signs, the newest first: a receiver takes a message that any of its own
    verifies. Raises FormatError for a secret of another form, and for an identifier with a full
    stop: the signed text is `ID.TIME.BODY`.
    """
    if "." in message_id:
        raise FormatError("a message's id has a full stop.")
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_sign(secret, signed) for secret in secrets),
    }


def _sign(secret: str, signed: bytes) -> str:
    if not secret.startswith(PREFIX):
        raise FormatError(f"a webhook's secret does not begin with {PREFIX}.")
    key = decode_base64(secret.removeprefix(PREFIX))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
