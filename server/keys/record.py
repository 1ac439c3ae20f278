"""The key process's record, in a folder of its own that no publisher can write to.

    root.json      the pinned root, from which everything follows
    public/        the known public state: metadata/ and roots.json of a public tree
    pending/       the publication signed last, until the publisher reports it as public
    signed.json    the newest version of each online role that was ever signed
    log.json       the largest log that was signed, see `log_record`; beside it `leaves`
    lock           held by the one process that uses this folder

`signed.json` and `log.json` are on disk before a signature is sent. A crash in between only burns
versions: the next publication takes the following ones.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError, HeningError
from server.core.metadata import ROOT_LIMIT, decode_timestamp, verify_first_root
from server.core.names import is_online, metadata_name
from server.core.profile import check_root
from server.core.release import Integer
from server.keys.log_record import LogRecord
from server.publisher import staging
from server.publisher.plan import Publication
from server.publisher.published import PublicTree, Published, hash_online, hash_public
from server.storage.bounded import read_bounded
from server.storage.durable import (
    OTHERS,
    discard_folder,
    make_folder,
    move_durable,
    open_created,
    sweep_temporary,
    sync_folder,
    write_durable,
)
from server.storage.errors import StorageError
from server.storage.tree import LocalTree, read_role

LIMIT = 65_536  # bytes of signed.json, which has a few hundred


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    versions: dict[str, Integer]


class Record:
    """The folder, opened by the only process that may use it. Use it from one thread at a time."""

    def __init__(self, folder: Path, lock: BinaryIO) -> None:
        self._folder = folder
        self._lock = lock  # its descriptor holds the lock
        self._public = folder / "public"
        self._pending = folder / "pending"
        self._shown = LocalTree(self._public)
        self._tree = PublicTree(self._public)
        self.log = LogRecord(folder)

    def close(self) -> None:
        """Release the folder for another process."""
        self._lock.close()

    def pinned(self) -> bytes:
        """Read the pinned root."""
        return read_bounded(self._folder / "root.json", ROOT_LIMIT)

    def published(self) -> Published | None:
        """Return the known public state, None if there is none."""
        return self._tree.load()

    def settle(self, public: str, now: int) -> bool:
        """Answer whether the public state with the hash `public` ("" if none) is known here.

        If it includes the publication that was signed last, that one counts as public from now on.
        """
        if public == hash_public(self._public):
            return True
        try:
            staged = staging.load_staged(self._pending)
            if staged is None or public != self._digest_with(staged):
                return False
        except HeningError:  # the publisher then sends the public state
            discard_folder(self._pending)
            return False
        self._show(staged, now)
        discard_folder(self._pending)
        return True

    def adopt(self, publication: Publication, now: int) -> None:
        """Adopt the publisher's public state as the known one."""
        self._keep_signed(publication)
        if self._pending.exists():  # signed before, but another publication became public
            discard_folder(self._pending)
        self._show(publication, now)

    def keep(self, publication: Publication) -> None:
        """Record a publication as signed, before its signatures are sent."""
        self.log.expect(publication)
        self._keep_signed(publication)
        # The publication signed before did not become public: its versions are burned.
        if self._pending.exists():
            discard_folder(self._pending)
        staging.discard_unaccepted(self._pending)
        temporary = staging.staged_temporary(self._pending, 0)
        staging.write_staged(temporary, publication)
        move_durable(temporary, self._pending)

    def signed(self) -> dict[str, int]:
        """Return the newest version of each online role that was ever signed."""
        path = self._folder / "signed.json"
        if not path.exists():
            return {}
        value = decode_canonical_json(read_bounded(path, LIMIT), limit=LIMIT)
        try:
            return msgspec.convert(value, _Signed).versions
        except msgspec.ValidationError as error:
            raise FormatError(f"{path} is malformed: {error}; restore it from a copy.") from error

    def _digest_with(self, staged: Publication) -> str:
        files = {(file.role, file.version): file.data for file in staged.files}
        files["timestamp", 0] = staged.timestamp

        def read(role: str, version: int) -> bytes:
            data = files.get((role, version))
            return read_role(self._public, role, version) if data is None else data

        return hash_online(read)

    def _keep_signed(self, publication: Publication) -> None:
        before = self.signed()
        versions = {f.role: f.version for f in publication.files if is_online(f.role)}
        versions["timestamp"] = decode_timestamp(publication.timestamp).signed.version
        after = before | {name: max(n, before.get(name, 0)) for name, n in versions.items()}
        if after != before:
            value = msgspec.to_builtins(_Signed(1, after))
            write_durable(self._folder / "signed.json", encode_canonical_json(value))

    def _show(self, publication: Publication, now: int) -> None:
        """Make a publication the known public state; a crash leaves files that nothing names."""
        for step in staging.showing_files(self._shown, publication, now):
            step()
        self._shown.replace("metadata/timestamp.json", publication.timestamp)
        published = self.published()
        assert published is not None
        current = {metadata_name(name, each.version) for name, each in published.signed().items()}
        metadata = self._public / "metadata"
        for path in metadata.iterdir():
            if path.name not in current and not path.name.endswith(".root.json"):
                path.unlink()
        sync_folder(metadata)


def open_record(folder: Path, root: bytes | None) -> Record:
    """Open the record in `folder`, with `root` as the pinned root of a new one.

    Raises StorageError if another process uses it, if its mode is wider than 0700, or if it is new
    and there is no root; TrustError or ProfileError for an invalid root, and FormatError if another
    root is pinned.
    """
    make_folder(folder)
    if folder.stat().st_mode & OTHERS:
        raise StorageError(f"{folder} is open to others: run `chmod 700 {folder}`.")
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(os.fdopen(open_created(folder / "lock", os.O_WRONLY), "wb"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(f"another key process has {folder}: stop it first.") from error
        sweep_temporary(folder)
        _pin(folder / "root.json", root)
        stack.pop_all()
    return Record(folder, lock)


def _pin(path: Path, root: bytes | None) -> None:
    if path.exists():
        if root is not None and read_bounded(path, ROOT_LIMIT) != root:
            raise FormatError(f"another root is pinned as {path}; a record keeps its first one.")
        return
    if root is None:
        raise StorageError(f"no root is pinned as {path}: start with --root once.")
    check_root(verify_first_root(root).signed)
    write_durable(path, root)
