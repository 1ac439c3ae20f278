"""Online keys on a PKCS #11 token: EdDSA over edwards25519, one session for the whole process.

A key is found by its label: `latest`, `snapshot`, `timestamp` or `log`; the next key's label ends
with `.next`. The PIN is tried once, because a token locks itself after a few wrong ones.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, exceptions
from securesystemslib.signer import Signature, SSlibKey

from server.core.errors import TrustError
from server.core.note import VerifierKey
from server.keys.sources import FixedKeys
from server.publisher.keys.online_keys import HOLDERS, ROLES, HeldSigner, History, OnlineKeys
from server.storage.errors import StorageError

_POINT_HEAD = bytes.fromhex("0420")  # OCTET STRING of 32 bytes


class TokenKey(HeldSigner):
    """A key pair on a token: signs metadata, and through `TokenLogKey` the log's checkpoints."""

    reason = "the token is an option of the command"

    def __init__(self, session: pkcs11.Session, label: str, origin: str) -> None:
        with _translated_errors(label):
            self._private = _find(session, label, ObjectClass.PRIVATE_KEY)
            point: bytes = _find(session, label, ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]
            is_loose = (
                self._private[Attribute.EXTRACTABLE] or not self._private[Attribute.SENSITIVE]
            )
        # PKCS #11 2.40 has the point in an OCTET STRING, 3.0 without.
        raw = point[2:] if len(point) == 34 and point.startswith(_POINT_HEAD) else point
        if is_loose or len(raw) != 32:
            raise TrustError(
                f"the key {label} on the token is not an ed25519 key that stays there: make one"
                " with the token's own tool."
            )
        self._label = label
        self._public = Ed25519PublicKey.from_public_bytes(raw)
        self._key = SSlibKey.from_crypto(self._public)
        self.verifier = VerifierKey(origin, raw)

    @property
    def public_key(self) -> SSlibKey:
        """The public half as TUF metadata holds it."""
        return self._key

    def sign(self, payload: bytes) -> Signature:
        """Return the token's signature of metadata."""
        return Signature(self._key.keyid, self.sign_bytes(payload).hex())

    def sign_bytes(self, payload: bytes) -> bytes:
        """Return the token's signature, 64 bytes, after verifying it."""
        with _translated_errors(self._label):
            signature: bytes = self._private.sign(payload, mechanism=Mechanism.EDDSA)
        try:
            self._public.verify(signature, payload)
        except InvalidSignature as error:
            raise TrustError(
                f"what the token signed does not verify with its own key {self._label}: the halves"
                " are of two keys, or the token is defective."
            ) from error
        return signature


class TokenLogKey:
    """A key of the log on a token."""

    def __init__(self, key: TokenKey) -> None:
        self._key = key

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return self._key.verifier

    def sign(self, text: bytes, history: History | None = None) -> bytes:
        """Return the signature of a checkpoint's text."""
        del history
        return self._key.sign_bytes(text)


def load_token(module: str, label: str, pin: str, origin: str) -> FixedKeys:
    """Log in to the token `label` and find its keys; the log's name is `origin`.

    Raises StorageError if the module, the token or a key is missing, and TrustError for a refused
    PIN and for a key that could be copied off the token.
    """
    try:
        token = pkcs11.lib(module).get_token(token_label=label)
        session = token.open(user_pin=pin)
    except (exceptions.PinIncorrect, exceptions.PinLenRange, exceptions.PinLocked) as error:
        raise TrustError(
            f"the token {label} refuses the PIN ({type(error).__name__}), which was tried once: a"
            " few wrong ones lock it."
        ) from error
    except exceptions.PKCS11Error as error:
        raise StorageError(
            f"the token {label} cannot be opened by {module} ({type(error).__name__}): check both"
            " with the token's own tool."
        ) from error
    current = {name: TokenKey(session, name, origin) for name in HOLDERS}
    following = {
        name: TokenKey(session, f"{name}.next", origin)
        for name in HOLDERS
        if _search(session, f"{name}.next", ObjectClass.PRIVATE_KEY)
    }
    keys = OnlineKeys(
        {role: current[role] for role in ROLES},
        TokenLogKey(current["log"]),
        {role: key for role, key in following.items() if role != "log"},
        TokenLogKey(following["log"]) if "log" in following else None,
    )
    return FixedKeys(keys, f"the token {label}")


def _find(session: pkcs11.Session, label: str, half: ObjectClass) -> Any:  # noqa: ANN401 - its attributes are the token's
    found = _search(session, label, half)
    if len(found) != 1:
        raise StorageError(
            f"the token holds {len(found)} ed25519 keys with the label {label}, of the kind"
            f" {half.name}; it needs one."
        )
    return found[0]


def _search(session: pkcs11.Session, label: str, half: ObjectClass) -> list[pkcs11.Object]:
    template = {
        Attribute.CLASS: half,
        Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
        Attribute.LABEL: label,
    }
    with _translated_errors(label):
        # Read to the end: an unfinished search keeps the session locked.
        return list(session.get_objects(template))


@contextlib.contextmanager
def _translated_errors(label: str) -> Iterator[None]:
    try:
        yield
    except exceptions.PKCS11Error as error:
        raise StorageError(
            f"the token failed with the key {label} ({type(error).__name__}): check the token,"
            " and restart the key process."
        ) from error
