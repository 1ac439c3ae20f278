"""The folder of offline keys: `NAME.key` encrypted, `NAME.pub` public.

Private halves leave this module only inside a securesystemslib `Signer`.
"""

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.exceptions import KeyMismatchError
from securesystemslib.signer import CryptoSigner, Signer

from signer.durable import TEMPORARY, sync_folder, write_new
from signer.errors import KeyStoreError, SurroundingsError, refusing, resumable
from signer.key_file import check_passphrase, decode_key_file, encode_key_file
from signer.public_key import (
    MAX_PUBLIC_FILE,
    PublicKey,
    check_distinct,
    check_key_name,
    decode_public_key,
    encode_public_key,
    make_tuf_key,
)

MAX_KEY_FILE = 16_384

Passphrases = Callable[[str], bytes]
"""Gives the passphrase of the key whose name it is called with."""


class Keystore:
    """Key files in one folder; nothing is kept in memory between calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create_key(
        self, name: str, passphrase: bytes, entropy: Callable[[int], bytes]
    ) -> PublicKey:
        """Make a key pair and return its public half.

        A crash between the two files leaves `NAME.key` alone; the same call with the same
        passphrase then completes it. A key that is complete is never replaced.
        """
        check_key_name(name)
        check_passphrase(passphrase)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(self.folder.parent)
        private_path, public_path = self._paths(name)
        self._check_free(name)
        if private_path.exists():
            private = self._load_private(name, passphrase)
        else:
            private = Ed25519PrivateKey.from_private_bytes(entropy(32))
            write_new(private_path, encode_key_file(private, passphrase, entropy), mode=0o600)
        key = PublicKey(name, private.public_key().public_bytes_raw().hex())
        write_new(public_path, encode_public_key(key))
        return key

    def create_keys(
        self, names: Sequence[str], passphrase: bytes, entropy: Callable[[int], bytes]
    ) -> list[PublicKey]:
        """Make several key pairs under one passphrase; when one name is refused, none is made."""
        for name in names:
            check_key_name(name)
            self._check_free(name)
        if len(set(names)) != len(names):
            raise KeyStoreError("A key name is given twice; give each name once.")
        with resumable("`keys list` shows the keys that were made, so ask for the others only"):
            return [self.create_key(name, passphrase, entropy) for name in names]

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

    def has_private(self, name: str) -> bool:
        """Answer whether the private half of `name` is in the folder too."""
        return self._paths(name)[0].exists()

    def load_signer(self, key: PublicKey, passphrase: bytes) -> Signer:
        """Return what signs with `key`.

        Refuses a file that others than its owner may read, a wrong passphrase, and a private half
        that does not belong to the public one.
        """
        private = self._load_private(key.name, passphrase)
        with refusing(KeyStoreError):
            public = make_tuf_key(key.public)
        try:
            return CryptoSigner(private, public)
        except KeyMismatchError as error:
            raise KeyStoreError(
                f"{key.name}.pub does not belong to {key.name}.key; restore both from one backup."
            ) from error

    def _check_free(self, name: str) -> None:
        if self._paths(name)[1].exists():
            raise KeyStoreError(
                f"The key {name} is there already; choose the next free number for its role."
            )

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.key", self.folder / f"{name}.pub"

    def _load_public(self, name: str) -> PublicKey:
        with self._paths(name)[1].open("rb") as file:
            return decode_public_key(name, file.read(MAX_PUBLIC_FILE + 1))

    def _load_private(self, name: str, passphrase: bytes) -> Ed25519PrivateKey:
        path = self._paths(name)[0]
        if not path.exists():
            raise KeyStoreError(f"The private half of {name} is not in {self.folder}.")
        if path.is_symlink():
            raise KeyStoreError(f"The key file of {name} is a symbolic link; put the file itself.")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            # Asked of the open file, so that what was checked is what is read.
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise KeyStoreError(f"The key file of {name} is not a regular file.")
            if mode & 0o077:
                raise KeyStoreError(
                    f"Others may read the key file of {name} (mode {stat.S_IMODE(mode):04o});"
                    f" run `chmod 600 {path}`, and make a new key if they could have."
                )
            pem = file.read(MAX_KEY_FILE)
        return decode_key_file(name, pem, passphrase)
