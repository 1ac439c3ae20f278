"""The folder of offline keys: `NAME.pub` public, and `NAME.key` encrypted or `NAME.token`.

Private halves leave this module only inside a securesystemslib `Signer`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.exceptions import KeyMismatchError
from securesystemslib.signer import CryptoSigner, Signer

from signer.durable import TEMPORARY, replace_file, sync_folder, write_new
from signer.errors import KeyStoreError, SurroundingsError, refusing, resumable
from signer.hsm import Tokens, TokenSession
from signer.key_file import check_passphrase, decode_key_file, encode_key_file
from signer.narrow_file import SECRET, TRUSTED, load_narrow
from signer.public_key import (
    MAX_PUBLIC_FILE,
    PublicKey,
    check_distinct,
    check_key_name,
    decode_public_key,
    encode_public_key,
    make_tuf_key,
)
from signer.token_file import MAX_TOKEN_FILE, decode_token_file
from signer.token_signer import TokenSigner

MAX_KEY_FILE = 16_384


Kind = Literal["file", "token", "public only"]
"""Where the private half of a key is: in the folder, on a token, or elsewhere."""

Passphrases = Callable[[str], bytes]
"""Gives the passphrase of the key whose name it is called with; with `token LABEL`, a token's PIN.

A key name has no space, so the two cannot be taken for one another.
"""


class Keystore:
    """Key files in one folder, read at each call.

    Of tokens the sessions are kept, because a process can log in to a token only once: close the
    store, or leave its context, to log out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tokens = Tokens()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Log out of the tokens that were used."""
        self._tokens.close()

    def create_key(
        self, name: str, passphrase: bytes, entropy: Callable[[int], bytes], holder: str = ""
    ) -> PublicKey:
        """Make a key pair and return its public half.

        A crash between the two files leaves `NAME.key` alone; the same call with the same
        passphrase then completes it. A key that is complete is never replaced.
        """
        check_key_name(name)
        check_passphrase(passphrase)
        self.make_folder()
        private_path, public_path, _ = self.paths(name)
        self.check_free(name)
        if private_path.exists():
            private = self._load_private(name, passphrase)
        else:
            private = Ed25519PrivateKey.from_private_bytes(entropy(32))
            write_new(private_path, encode_key_file(private, passphrase, entropy), mode=0o600)
        key = PublicKey(name, private.public_key().public_bytes_raw().hex(), holder)
        write_new(public_path, encode_public_key(key))
        return key

    def create_keys(
        self,
        names: Sequence[str],
        passphrase: bytes,
        entropy: Callable[[int], bytes],
        holder: str = "",
    ) -> list[PublicKey]:
        """Make several key pairs under one passphrase; when one name is refused, none is made."""
        self.check_names(names)
        with resumable("`keys list` shows the keys that were made, so ask for the others only"):
            return [self.create_key(name, passphrase, entropy, holder) for name in names]

    def change_passphrase(
        self, name: str, old: bytes, new: bytes, entropy: Callable[[int], bytes]
    ) -> None:
        """Encrypt the key file of `name` under a new passphrase.

        The old file is there until the new one is on disk, and the new one is 0600 from its first
        octet on. Copies of the old file in backups still open with the old passphrase.
        """
        check_key_name(name)
        check_passphrase(new)
        if self.kind(name) == "token":
            raise KeyStoreError(
                f"The private half of {name} is on a token; change its PIN with the token's own"
                " tool."
            )
        pem = encode_key_file(self._load_private(name, old), new, entropy)
        decode_key_file(name, pem, new)
        replace_file(self.paths(name)[0], pem, mode=0o600)

    def load_public_key(self, name: str) -> PublicKey:
        """Return one public half; KeyStoreError when there is none of this name."""
        for key in self.load_public_keys():
            if key.name == name:
                return key
        raise KeyStoreError(f"There is no key {name} in {self.folder}; look with `keys list`.")

    def load_public_keys(self) -> list[PublicKey]:
        """Return every public half in the folder, by role and number.

        Refuses a malformed file and one public key under two names.
        """
        if not self.folder.is_dir():
            raise SurroundingsError(
                f"The key folder {self.folder} is not there; make keys with `keys new` first."
            )
        names = [
            path.name.removesuffix(".pub")
            for path in self.folder.iterdir()  # `glob` would find nothing where it may not read
            if path.suffix == ".pub" and not path.name.startswith(TEMPORARY)
        ]
        keys = [self._load_public(name) for name in names]
        keys.sort(key=lambda key: (key.role, key.number))
        check_distinct(keys)
        return keys

    def kind(self, name: str) -> Kind:
        """Answer where the private half of `name` is."""
        private_path, _, token_path = self.paths(name)
        if private_path.exists():
            return "file"
        return "token" if token_path.exists() else "public only"

    def has_private(self, name: str) -> bool:
        """Answer whether this folder can sign with `name`, by its file or with its token."""
        return self.kind(name) != "public only"

    def load_signer(self, key: PublicKey, passphrases: Passphrases) -> Signer:
        """Return what signs with `key`, whose passphrase or PIN `passphrases` gives.

        Refuses a file that others than its owner may read, a wrong passphrase, and a private half
        that does not belong to the public one. All keys of one token share one session, for which
        the PIN is asked once.
        """
        with refusing(KeyStoreError):
            public = make_tuf_key(key.public)
        if self.kind(key.name) == "token":
            return self._load_token_signer(key, passphrases)
        try:
            return CryptoSigner(self._load_private(key.name, passphrases(key.name)), public)
        except KeyMismatchError as error:
            raise KeyStoreError(
                f"{key.name}.pub does not belong to {key.name}.key; restore both from one backup."
            ) from error

    def open_token(
        self, module: str, label: str, passphrases: Passphrases, *, writing: bool = False
    ) -> TokenSession:
        """Return the one session of a token; the PIN is asked for when it is opened."""
        return self._tokens.open(
            module, label, lambda: passphrases(f"token {label}"), writing=writing
        )

    def make_folder(self) -> None:
        """Make the folder if it is not there, for its owner alone."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(self.folder.parent)

    def check_names(self, names: Sequence[str]) -> None:
        """Raise KeyStoreError unless all are key names, given once, for which there is no key."""
        for name in names:
            check_key_name(name)
            self.check_free(name)
        if len(set(names)) != len(names):
            raise KeyStoreError("A key name is given twice; give each name once.")

    def check_free(self, name: str) -> None:
        """Raise KeyStoreError when there is a public half of this name."""
        if self.paths(name)[1].exists():
            raise KeyStoreError(
                f"The key {name} is there already; choose the next free number for its role."
            )

    def paths(self, name: str) -> tuple[Path, Path, Path]:
        """Return where the private half, the public half and the token file of `name` are."""
        return (
            self.folder / f"{name}.key",
            self.folder / f"{name}.pub",
            self.folder / f"{name}.token",
        )

    def _load_token_signer(self, key: PublicKey, passphrases: Passphrases) -> Signer:
        # The token file names a library that is run, so nobody else may have written it.
        data = load_narrow(
            self.paths(key.name)[2], f"The token file of {key.name}", TRUSTED, MAX_TOKEN_FILE + 1
        )
        token_key = decode_token_file(key.name, data)
        session = self.open_token(token_key.module, token_key.label, passphrases)
        key_id = bytes.fromhex(token_key.id)
        if session.public(key_id).hex() != key.public:
            raise KeyStoreError(
                f"{key.name}.pub does not belong to the key {token_key.id} on the token"
                f" {token_key.label}; restore {key.name}.pub and {key.name}.token from one backup."
            )
        session.check_private(key_id)
        return TokenSigner(key, session, key_id)

    def _load_public(self, name: str) -> PublicKey:
        with self.paths(name)[1].open("rb") as file:
            return decode_public_key(name, file.read(MAX_PUBLIC_FILE + 1))

    def _load_private(self, name: str, passphrase: bytes) -> Ed25519PrivateKey:
        path = self.paths(name)[0]
        if not path.exists():
            raise KeyStoreError(f"The private half of {name} is not in {self.folder}.")
        pem = load_narrow(path, f"The key file of {name}", SECRET, MAX_KEY_FILE)
        return decode_key_file(name, pem, passphrase)
