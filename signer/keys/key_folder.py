"""The folder of offline keys: `NAME.pub` public, and `NAME.key` encrypted or `NAME.token`."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuf.api.metadata import Root, Targets

from signer.durable import TEMPORARY, sync_folder
from signer.errors import KeyStoreError, SurroundingsError
from signer.keys.key_name import check_key_name
from signer.keys.public_key import MAX_PUBLIC_FILE, PublicKey, check_distinct, decode_public_key

Kind = Literal["file", "token", "public only"]
"""The place of a key's private half: in the folder, on a token, or elsewhere."""


class KeyFolder:
    """Key files in one folder, read at each call; knows only the place of private halves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
        """Answer whether this folder can sign with `name`, by its file or with its token."""
        return self.kind(name) != "public only"

    def make_folder(self) -> None:
        """Make the folder if it does not exist, accessible to its owner only."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(self.folder.parent)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the folder, which is made if it does not exist, while keys in it are changed.

        Raises an error when another process on this machine holds the lock. Earlier checks of the
        folder must be repeated under the lock.
        """
        self.make_folder()
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SurroundingsError(
                    f"Another process is changing the keys in {self.folder} at this moment; wait"
                    " for them and run the command again."
                ) from error
            yield
        finally:
            os.close(descriptor)

    def check_names(self, names: Sequence[str]) -> None:
        """Raise KeyStoreError unless `names` are distinct key names without a key."""
        for name in names:
            check_key_name(name)
            self.check_free(name)
        if len(set(names)) != len(names):
            raise KeyStoreError("A key name is given twice; give each name once.")

    def check_free(self, name: str) -> None:
        """Raise KeyStoreError when a public half of this name exists."""
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

    def _load_public(self, name: str) -> PublicKey:
        with self.paths(name)[1].open("rb") as file:
            return decode_public_key(name, file.read(MAX_PUBLIC_FILE + 1))


@dataclass(frozen=True, slots=True)
class KeyRole:
    """A role that lists a key: how many signatures it needs, and how many keys it lists."""

    role: str
    threshold: int
    keys: int

    @property
    def is_enough(self) -> bool:
        """Whether one signature, and so the key alone, suffices."""
        return self.threshold == 1


def find_key_roles(keyid: str, root: Root, targets: Targets) -> list[KeyRole]:
    """Return the roles of root, and those that targets delegates, that list the key id."""
    delegated = {} if targets.delegations is None else targets.delegations.roles or {}
    return [
        KeyRole(name, role.threshold, len(set(role.keyids)))
        for name, role in (*root.roles.items(), *delegated.items())
        if keyid in role.keyids
    ]
