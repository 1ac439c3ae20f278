"""What signs TUF metadata with a key on a token; securesystemslib's own knows no ed25519."""

from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import Key, SecretsHandler, Signature, Signer

from signer.errors import KeyStoreError
from signer.keys.hsm import TokenSession
from signer.keys.public_key import PublicKey


class TokenSigner(Signer):
    """Signs with the key `key_id` of a token's session, on behalf of the public half `key`."""

    def __init__(self, key: PublicKey, session: TokenSession, key_id: bytes) -> None:
        self._key = key
        self._tuf_key = key.tuf_key
        self._session = session
        self._key_id = key_id

    @property
    def public_key(self) -> Key:
        """The public half as TUF metadata holds it."""
        return self._tuf_key

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,
        public_key: Key,
        secrets_handler: SecretsHandler | None = None,
    ) -> Self:
        """Refuse: tokens are opened by the key store, never by an address in a file."""
        del public_key, secrets_handler  # the interface names them
        raise KeyStoreError(f"{priv_key_uri!r} is not used: keys are opened by their key folder.")

    def sign(self, payload: bytes) -> Signature:
        """Return the token's signature after it verified here.

        Another key under this id, or a token that miscalculates, is found before its signature
        leaves the program.
        """
        signature = self._session.sign(self._key_id, payload)
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._key.public))
        try:
            public.verify(signature, payload)
        except InvalidSignature as error:
            raise KeyStoreError(
                f"What the token signed does not verify with {self._key.name}.pub; the key there"
                " is another one, or the token is defective."
            ) from error
        return Signature(self._tuf_key.keyid, signature.hex())
