"""The folder of offline keys: public `NAME.pub`, and encrypted `NAME.key` or `NAME.token`.

Private halves leave this module only inside a securesystemslib `Signer`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.exceptions import KeyMismatchError
from securesystemslib.signer import CryptoSigner, Signer

from signer.durable import TEMPORARY, locked_folder, replace_file, sync_folder, write_new
from signer.errors import EnvironmentFailedError, KeyStoreError, refusing, resumable
from signer.keys.hsm import Tokens, TokenSession, TokenSigner
from signer.keys.key_file import (
    MAX_TOKEN_FILE,
    SECRET,
    TRUSTED,
    check_passphrase,
    check_unchangeable,
    decode_key_file,
    decode_token_file,
    encode_key_file,
    load_narrow,
)
from signer.keys.key_name import check_holder, check_key_name
from signer.keys.public_key import (
    MAX_PUBLIC_FILE,
    PublicKey,
    check_distinct,
    decode_public_key,
    encode_public_key,
    make_tuf_key,
)

MAX_KEY_FILE = 16_384

Kind = Literal["file", "token", "public only"]
"""The place of a key's private half: in the folder, on a token, or elsewhere."""

Passphrases = Callable[[str], bytes]
"""Returns the passphrase of the named key, or a token's PIN for `token LABEL`.

A key name has no space, so the two cannot be confused.
"""


class Keystore:
    """A folder of keys: reads, makes and signs with them; files are read at each call.

    Token sessions are kept, because a process can log in to a token only once. Close the store, or
    leave its context, to log out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tokens = Tokens()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out of the tokens that were used."""
        self._tokens.close()

    def load_public_key(self, name: str) -> PublicKey:
        """Return one public half; raises KeyStoreError when there is none of this name."""
        for key in self.load_public_keys():
            if key.name == name:
                return key
        raise KeyStoreError(f"There is no key {name} in {self.folder}; see `keys list`.")

    def load_public_keys(self) -> list[PublicKey]:
        """Return every public half in the folder, sorted by role and number.

        Raises KeyStoreError for a malformed file and for one public key under two names.
        """
        if not self.folder.is_dir():
            raise EnvironmentFailedError(
                f"The key folder {self.folder} does not exist; make keys with `keys new` first."
            )
        names = [
            path.name.removesuffix(".pub")
            for path in self.folder.iterdir()  # `glob` would find nothing in an unreadable folder
            if path.suffix == ".pub" and not path.name.startswith(TEMPORARY)
        ]
        keys = [self._load_public(name) for name in names]
        keys.sort(key=lambda key: (key.role, key.number))
        check_distinct(keys)
        return keys

    def kind(self, name: str) -> Kind:
        """Return where the private half of `name` is."""
        private_path, _, token_path = self.paths(name)
        if private_path.exists():
            return "file"
        return "token" if token_path.exists() else "public only"

    def has_private(self, name: str) -> bool:
        """Return whether this folder can sign with `name`, by its file or with its token."""
        return self.kind(name) != "public only"

    def make_folder(self) -> None:
        """Make the folder if it does not exist, accessible to its owner only."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(self.folder.parent)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the folder, which is made if it does not exist, while keys in it are changed.

        Raises EnvironmentFailedError when another process on this machine holds the lock. Earlier
        checks of the folder must be repeated under the lock.
        """
        self.make_folder()
        with locked_folder(self.folder, f"changing the keys in {self.folder}"):
            yield

    def check_names(self, names: Sequence[str]) -> None:
        """Raise KeyStoreError unless `names` are valid, distinct and not in use."""
        for name in names:
            check_key_name(name)
            if self.paths(name)[1].exists():
                raise KeyStoreError(
                    f"The key {name} already exists; choose the next free number for its role."
                )
        if len(set(names)) != len(names):
            raise KeyStoreError("A key name is given twice; give each name once.")

    def paths(self, name: str) -> tuple[Path, Path, Path]:
        """Return the paths of the private half, the public half and the token file of `name`."""
        return (
            self.folder / f"{name}.key",
            self.folder / f"{name}.pub",
            self.folder / f"{name}.token",
        )

    def create_keys(
        self,
        names: Sequence[str],
        passphrases: Passphrases,
        entropy: Callable[[int], bytes],
        holder: str = "",
    ) -> list[PublicKey]:
        """Make key pairs, each under its passphrase; when one is refused, none is made.

        A crash between the two files of a key leaves `NAME.key` alone; the same call with the same
        passphrase then completes it. A key that is complete is never replaced. Each pair is read
        back before this returns.
        """
        self.check_names(names)
        check_holder(holder)
        chosen = {name: passphrases(name) for name in names}
        for passphrase in chosen.values():
            check_passphrase(passphrase)
        keys = []
        with (
            resumable("`keys list` shows the keys that were made, so make only the others"),
            self.changing(),
        ):
            self.check_names(names)  # one may have been made while passphrases were typed
            for name, passphrase in chosen.items():
                key = self._create(name, passphrase, entropy, holder)
                self._check_pair(key, passphrase)
                keys.append(key)
        return keys

    def change_passphrases(
        self,
        names: Sequence[str],
        old: Passphrases,
        new: Passphrases,
        entropy: Callable[[int], bytes],
    ) -> None:
        """Encrypt the key files of `names` under new passphrases; if one is refused, none changes.

        Each old file stays until the new one is on disk, and the new one has mode 0600 from its
        first byte on. Copies of the old file in backups still open with the old passphrase.
        """
        for name in names:
            check_key_name(name)
            if self.kind(name) == "token":
                raise KeyStoreError(
                    f"The private half of {name} is on a token; change its PIN with the token's"
                    " own tool."
                )
        known = {name: old(name) for name in names}
        for name in names:
            self._load_private(name, known[name])
        chosen = {name: new(name) for name in names}
        with (
            resumable("some keys may have new passphrases; repeat it for those with the old ones"),
            self.changing(),
        ):
            # Read under the lock, so that a concurrent change is not undone.
            files = {
                name: encode_key_file(self._load_private(name, known[name]), chosen[name], entropy)
                for name in names
            }
            for name, pem in files.items():
                decode_key_file(name, pem, chosen[name])
            for name, pem in files.items():
                replace_file(self.paths(name)[0], pem, mode=0o600)

    def load_signer(self, key: PublicKey, passphrases: Passphrases) -> Signer:
        """Return a signer for `key`; `passphrases` returns its passphrase or PIN.

        Raises KeyStoreError for a file that users other than its owner may read, a wrong
        passphrase, and a private half that does not belong to the public one. All keys of one token
        share one session, for which the PIN is asked once.
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

    def _load_token_signer(self, key: PublicKey, passphrases: Passphrases) -> Signer:
        # The token file names a library that this process loads, so no other user may write it.
        path, label = self.paths(key.name)[2], f"The token file of {key.name}"
        data = load_narrow(path, label, TRUSTED, MAX_TOKEN_FILE + 1)
        check_unchangeable(path, label)
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

    def _create(
        self, name: str, passphrase: bytes, entropy: Callable[[int], bytes], holder: str
    ) -> PublicKey:
        private_path, public_path, _ = self.paths(name)
        if private_path.exists():
            private = self._load_private(name, passphrase)
        else:
            private = Ed25519PrivateKey.from_private_bytes(entropy(32))
            write_new(private_path, encode_key_file(private, passphrase, entropy), mode=0o600)
        key = PublicKey(name, private.public_key().public_bytes_raw().hex(), holder)
        write_new(public_path, encode_public_key(key))
        return key

    def _check_pair(self, key: PublicKey, passphrase: bytes) -> None:
        """Raise KeyStoreError unless the files of `key` contain it."""
        private = self._load_private(key.name, passphrase)
        if private.public_key().public_bytes_raw().hex() != key.public or (
            self._load_public(key.name) != key
        ):
            raise KeyStoreError(
                f"{key.name}.key and {key.name}.pub are not the pair that was written; remove both,"
                f" find out what else writes into {self.folder}, and make the key again."
            )

    def _load_private(self, name: str, passphrase: bytes) -> Ed25519PrivateKey:
        path = self.paths(name)[0]
        if not path.exists():
            raise KeyStoreError(f"The private half of {name} is not in {self.folder}.")
        pem = load_narrow(path, f"The key file of {name}", SECRET, MAX_KEY_FILE)
        return decode_key_file(name, pem, passphrase)

    def _load_public(self, name: str) -> PublicKey:
        with self.paths(name)[1].open("rb") as file:
            return decode_public_key(name, file.read(MAX_PUBLIC_FILE + 1))
