"""Access to the online keys: in the state folder, or in a key process (ADR 59)."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from server.core.note import VerifierKey
from server.core.pointer import Pointer
from server.core.profile import log_verifier
from server.publisher.errors import MissingKeyError
from server.publisher.keys.choice import choose_keys
from server.publisher.keys.key_socket import KeySocket
from server.publisher.keys.online_keys import (
    OnlineKeys,
    create_next_keys,
    load_online_keys,
    promote_next_key,
)
from server.publisher.log import SignedLeaves
from server.publisher.plan import Publication, plan_publication
from server.publisher.published import Published, Trust, load_newest_root
from server.publisher.verify import RoleVersion
from server.storage.errors import StorageError
from server.storage.layout import StateFolder


class KeyFolder:
    """Keys in a folder as `online_keys` describes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> OnlineKeys:
        """Load the keys; a command may have changed them."""
        return load_online_keys(self._folder)

    def create_next(self, names: Collection[str], *, afresh: bool) -> None:
        """Make the next key of each of `names`, and write the public halves."""
        create_next_keys(self._folder, names, afresh=afresh)

    def promote(self, names: Collection[str]) -> None:
        """Make the next keys of `names` the current ones; the former ones are removed."""
        for name in names:
            promote_next_key(self._folder, name)


def open_keys(folder: StateFolder) -> KeyFolder | KeySocket:
    """Return the holder of a state folder's keys, as its settings say."""
    return KeySocket(folder) if folder.keys_socket else KeyFolder(folder.keys)


def explain_missing_key(error: MissingKeyError) -> str:
    """Return the message for work that needs the keys of another publisher of the site."""
    message = str(error).partition(":")[0]
    return (
        f"{message}: a publisher of the site that has it is needed; copy its keys/ to this machine."
    )


@contextlib.contextmanager
def deferring_missing_keys(folder: StateFolder) -> Iterator[None]:
    """Turn MissingKeyError into a StorageError if another publisher may have the key.

    A StorageError postpones the work. If there are no other keys, MissingKeyError stays, and the
    work is refused.
    """
    try:
        yield
    except MissingKeyError as error:
        if not has_own_keys(folder):
            raise
        raise StorageError(explain_missing_key(error)) from error


def has_own_keys(folder: StateFolder) -> bool:
    """Answer whether other publishers of the site may hold other keys than this machine."""
    return folder.tree is not None and not folder.keys_socket


def load_keys(folder: StateFolder) -> OnlineKeys:
    """Return the keys of a state folder, whose private halves may be in another process."""
    return open_keys(folder).load()


def load_signed_leaves(folder: StateFolder, first: int) -> SignedLeaves | None:
    """Return the leaves of the signed log from the index `first` on, from the key process.

    Returns None without a key process, or if it has signed no log.
    """
    holder = open_keys(folder)
    if isinstance(holder, KeyFolder) or not holder.load().log_size:
        return None
    return holder.read_leaves(first)


def sign_publication(
    holder: KeyFolder | KeySocket,
    trust: Trust,
    published: Published | None,
    submitted: Sequence[RoleVersion],
    pointers: Mapping[str, Pointer],
    now: datetime,
    *,
    renew: bool,
    logged: Mapping[str, int],
    burned: Mapping[str, Collection[int]],
) -> Publication:
    """Return the publication of `plan_publication`, signed by the holder of the keys.

    A key process verifies `submitted` itself; `burned` are the versions of those roles in the log.
    """
    if isinstance(holder, KeySocket):
        return holder.plan(submitted, pointers, now, renew=renew, logged=logged, burned=burned)
    keys = choose_keys(holder.load(), trust.root, trust.targets)
    return plan_publication(
        trust, published, submitted, pointers, keys, now, renew=renew, used=logged
    )


def load_log_verifiers(folder: StateFolder) -> list[VerifierKey]:
    """Return the verifiers of the present keys, and of the key that the newest root names."""
    held = [key.verifier for key in load_keys(folder).log_keys]
    root = load_newest_root(folder.public)
    return held if root is None else [*held, log_verifier(root)]
