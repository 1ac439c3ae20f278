"""Keys on PKCS #11 tokens: EdDSA over edwards25519, one session for each token.

A PKCS #11 login applies to the whole process, so a token is opened once, and all of its keys share
that session. A PIN is asked for once and tried once: a token locks itself after a few wrong PINs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, exceptions
from pkcs11.types import SignMixin
from securesystemslib.signer import Key, SecretsHandler, Signature, Signer

from signer.errors import EnvironmentFailedError, KeyStoreError, SignerError
from signer.keys.key_file import check_unchangeable
from signer.keys.public_key import PublicKey

_REFUSALS: dict[type[exceptions.PKCS11Error], str] = {
    exceptions.PinIncorrect: "refuses this PIN; it was tried once, and a few wrong ones lock it",
    exceptions.PinLenRange: "refuses a PIN of this length; it was tried once",
    exceptions.PinInvalid: "refuses this PIN; it was tried once",
    exceptions.PinLocked: "is locked by too many wrong PINs; its security officer can unlock it",
    exceptions.PinExpired: "needs a new PIN; set one with the token's own tool",
    exceptions.UserPinNotInitialized: "has no PIN yet; set one with the token's own tool",
    exceptions.MechanismInvalid: "cannot do this with ed25519 keys; use another token",
    exceptions.KeySizeRange: "cannot do this with ed25519 keys; use another token",
    exceptions.DomainParamsInvalid: "cannot do this with ed25519 keys; use another token",
    exceptions.TokenWriteProtected: "is write-protected; lift that with the token's own tool",
}


@contextmanager
def translated_errors(label: str) -> Iterator[None]:
    """Turn errors of python-pkcs11 into a KeyStoreError about the token `label`."""
    try:
        yield
    except SignerError:
        raise
    except exceptions.UserAlreadyLoggedIn as error:
        raise EnvironmentFailedError(
            f"This program uses the token {label} already; close that key folder first."
        ) from error
    except exceptions.PKCS11Error as error:
        if refusal := _REFUSALS.get(type(error)):
            raise KeyStoreError(f"The token {label} {refusal}.") from error
        raise EnvironmentFailedError(
            f"The token {label} failed ({type(error).__name__}); plug it in again and run the"
            " command again."
        ) from error


# The object identifier id-Ed25519 of RFC 8410 in DER; tokens that expect the curve's name as a
# string, as PKCS #11 3.0 also allows, accept it as well.
_ED25519 = bytes.fromhex("06032b6570")
_POINT_HEAD = bytes.fromhex("0420")  # OCTET STRING of 32 bytes


class TokenSession:
    """A session of one token, logged in."""

    def __init__(self, label: str, session: pkcs11.Session) -> None:
        self._label = label
        self._session = session
        self._checked: dict[bytes, SignMixin] = {}

    def generate(self, key_id: bytes, name: str) -> bytes:
        """Make a key pair whose private half never leaves the token; return the 32 public bytes.

        Raises KeyStoreError for an id or a name that another key on the token has.
        """
        with translated_errors(self._label):
            for attributes in ({Attribute.LABEL: name}, {Attribute.ID: key_id}):
                if found := self._find(attributes):
                    raise KeyStoreError(
                        f"The token {self._label} holds a {name} already, with the id"
                        f" {found[0][Attribute.ID].hex()}; enrol it with `keys import --token`, or"
                        " choose another name."
                    )
            parameters = self._session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519}, local=True
            )
            parameters.generate_keypair(
                id=key_id,
                label=name,
                store=True,
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                private_template={
                    Attribute.EXTRACTABLE: False,
                    Attribute.PRIVATE: True,
                    Attribute.SENSITIVE: True,
                },
            )
        self.check_private(key_id)
        return self.public(key_id)

    def public(self, key_id: bytes) -> bytes:
        """Return the public half of a key pair on the token: 32 bytes."""
        with translated_errors(self._label):
            key = self._find_half(key_id, ObjectClass.PUBLIC_KEY)
            point: bytes = key[Attribute.EC_POINT]
        if len(point) == 34 and point.startswith(_POINT_HEAD):
            point = point[2:]  # PKCS #11 2.40 has these two bytes, 3.0 does not
        if len(point) != 32:
            raise KeyStoreError(
                f"The key {key_id.hex()} on the token {self._label} is not an ed25519 key, and no"
                " other kind may sign."
            )
        return point

    def check_private(self, key_id: bytes) -> None:
        """Raise KeyStoreError unless the private half was made on the token and never leaves it."""
        with translated_errors(self._label):
            key = self._find_half(key_id, ObjectClass.PRIVATE_KEY)
            loose = key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]
            native = _is_native(key)
        if loose:
            raise KeyStoreError(
                f"The key {key_id.hex()} can be copied off the token {self._label}; make one that"
                " cannot, with `keys new --token`."
            )
        if not native:
            raise KeyStoreError(
                f"The key {key_id.hex()} was not made on the token {self._label}, or could once be"
                " copied off it, so copies may exist; make another one with `keys new --token`."
            )
        if not isinstance(key, SignMixin):
            raise KeyStoreError(
                f"The key {key_id.hex()} on the token {self._label} is not meant for signatures;"
                " use another key."
            )
        self._checked[key_id] = key

    def sign(self, key_id: bytes, payload: bytes) -> bytes:
        """Return the signature of `payload`: 64 bytes."""
        if key_id not in self._checked:  # only once, because tokens are slow
            self.check_private(key_id)
        with translated_errors(self._label):
            signature: bytes = self._checked[key_id].sign(payload, mechanism=Mechanism.EDDSA)
        return signature

    def close(self) -> None:
        """Log out; a token that was removed meanwhile counts as logged out."""
        with suppress(exceptions.PKCS11Error):
            self._session.close()

    def _find_half(self, key_id: bytes, half: ObjectClass) -> pkcs11.Object:
        found = self._find(
            {
                Attribute.CLASS: half,
                Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
                Attribute.ID: key_id,
            }
        )
        if not found:
            kind = "public" if half is ObjectClass.PUBLIC_KEY else "private"
            raise KeyStoreError(
                f"The token {self._label} holds no {kind} ed25519 key with the id"
                f" {key_id.hex()}; list its keys with the token's own tool."
            )
        if len(found) > 1:
            raise KeyStoreError(
                f"The token {self._label} holds several keys with the id {key_id.hex()}; give"
                " each an id of its own with the token's own tool."
            )
        return found[0]

    def _find(self, attributes: dict[Attribute, Any]) -> list[pkcs11.Object]:
        # The search is read to its end: an unfinished one keeps the session's lock.
        return list(self._session.get_objects(attributes))


class Tokens:
    """The tokens of one command; `close` logs out of all of them."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], TokenSession] = {}

    def open(
        self, module: str, label: str, ask: Callable[[], bytes], *, writing: bool = False
    ) -> TokenSession:
        """Return the session of a token; `ask` returns the PIN, at most once per token.

        `writing` allows making keys; only the first call for a token decides it.
        """
        if (module, label) not in self._open:
            token = _find_token(module, label)
            with translated_errors(label):
                if Mechanism.EDDSA not in token.slot.get_mechanisms():
                    raise KeyStoreError(
                        f"The token {label} cannot sign with ed25519 keys; use another token."
                    )
                # No retry here: each wrong PIN uses up one of the token's attempts.
                session = token.open(rw=writing, user_pin=_text(label, ask()))
            self._open[module, label] = TokenSession(label, session)
        return self._open[module, label]

    def close(self) -> None:
        """Log out of every token."""
        while self._open:
            self._open.popitem()[1].close()


def _find_token(module: str, label: str) -> pkcs11.Token:
    try:
        # A user who can change the module could run code in this process, which has the PIN.
        check_unchangeable(Path(module), f"The PKCS #11 module {module}")
        library = pkcs11.lib(module)
    except (FileNotFoundError, NotADirectoryError, exceptions.PKCS11Error) as error:
        raise EnvironmentFailedError(
            f"The PKCS #11 module {module} cannot be loaded; install it, or correct its path."
        ) from error
    with translated_errors(label):
        try:
            return library.get_token(token_label=label)
        except exceptions.NoSuchToken as error:
            raise EnvironmentFailedError(
                f"There is no token {label} that {module} can see; plug it in and run the command"
                " again."
            ) from error
        except exceptions.MultipleTokensReturned as error:
            raise EnvironmentFailedError(
                f"There are several tokens {label}; leave only one of them plugged in."
            ) from error


def _is_native(key: pkcs11.Object) -> bool:
    """Return whether the token says that it made the key and that it was never extractable."""
    try:
        return all(
            key[attribute]
            for attribute in (
                Attribute.LOCAL,
                Attribute.NEVER_EXTRACTABLE,
                Attribute.ALWAYS_SENSITIVE,
            )
        )
    except exceptions.AttributeTypeInvalid:  # a token that does not say so is not trusted
        return False


def _text(label: str, pin: bytes) -> str:
    try:
        return pin.decode()
    except UnicodeDecodeError:
        # The cause is left out, because it contains the PIN.
        raise KeyStoreError(f"The PIN of the token {label} is not UTF-8; correct it.") from None


class TokenSigner(Signer):
    """Signs with the key `key_id` of a token's session, whose public half is `key`."""

    def __init__(self, key: PublicKey, session: TokenSession, key_id: bytes) -> None:
        self._key = key
        self._tuf_key = key.tuf_key
        self._session = session
        self._key_id = key_id

    @property
    def public_key(self) -> Key:
        """The public half in the form of TUF metadata."""
        return self._tuf_key

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,
        public_key: Key,
        secrets_handler: SecretsHandler | None = None,
    ) -> Self:
        """Raise KeyStoreError: the key store opens tokens, never a URI in a file."""
        del public_key, secrets_handler  # the interface names them
        raise KeyStoreError(f"{priv_key_uri!r} is not used: keys are opened by their key folder.")

    def sign(self, payload: bytes) -> Signature:
        """Return the token's signature after verifying it.

        This detects another key under this id, or a faulty token, before the signature leaves the
        program.
        """
        signature = self._session.sign(self._key_id, payload)
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._key.public))
        try:
            public.verify(signature, payload)
        except InvalidSignature as error:
            raise KeyStoreError(
                f"The token's signature does not verify with {self._key.name}.pub; the token has"
                " another key under this id, or is defective."
            ) from error
        return Signature(self._tuf_key.keyid, signature.hex())
