"""Challenges and their signatures: who logs in proves a key that the password makes.

A challenge is sealed for the server itself and holds `time ∥ name hash`. The client signs

    msgpack {username, challenge, host, action}

with the Ed25519 key that Argon2id makes of password and salt. A name that is not there gets a salt
and a challenge of the same form, and at last the same refusal. The account door takes the same in
JSON for everything that replaces keys: a stolen token alone replaces none.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from server.cloud.errors import CloudError
from server.cloud.secrets import Secrets
from server.core.errors import TrustError

CHALLENGE_SECONDS = 300
_NOBODY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""A valid public key, so that checking the signature of an unknown name takes as long (RFC 8032,
section 7.1, test 1)."""

Action = Literal["login", "changePassword", "setRecovery", "openRecovery", "useRecovery", "rotate"]


class Response(msgspec.Struct):
    """What a client signs."""

    username: str
    challenge: bytes
    host: str
    action: str


class PasswordResponse(Response):
    """What a client signs with its old key to change the password."""

    loginPubkey: bytes  # noqa: N815 - the protocol's name
    encryptedContent: bytes  # noqa: N815


@dataclass(frozen=True, slots=True)
class Claim:
    """A response as it came: its bytes, which are signed, and what it says."""

    signed: bytes
    signature: bytes
    response: Response


def make_challenge(secrets: Secrets, name: str, now: int) -> bytes:
    """Return a challenge for `name`, whether or not there is such an account."""
    return secrets.seal_challenge(now.to_bytes(8, "big") + secrets.name_hash(name))


def verify_claim(
    secrets: Secrets, claim: Claim, action: Action, host: str, login_key: bytes | None, now: int
) -> None:
    """Verify that a response was signed by `login_key` for this challenge, host and action.

    `login_key` None stands for a name that is not there; all refusals of both are one CloudError.
    """
    response = claim.response
    try:
        VerifyKey(login_key or _NOBODY).verify(claim.signed, claim.signature)
        is_signed = login_key is not None
    except (BadSignatureError, ValueError, TypeError):
        is_signed = False
    try:
        opened = secrets.open_challenge(response.challenge)
        age = now - int.from_bytes(opened[:8], "big")
        is_fresh = opened[8:] == secrets.name_hash(response.username)
        is_fresh = is_fresh and 0 <= age <= CHALLENGE_SECONDS
    except TrustError:
        is_fresh = False
    is_here = _without_port(response.host) == _without_port(host)
    if not (is_signed and is_fresh and is_here and response.action == action):
        raise refuse_login()


def refuse_login() -> CloudError:
    """Return the one refusal of a login, whatever was wrong."""
    return CloudError(401, "login_bad_signature", "name and password do not belong together.")


def _without_port(host: str) -> str:
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
