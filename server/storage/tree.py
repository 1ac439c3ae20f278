"""The tree of public files, and the one accepted publication that is not public yet.

`create` and `replace` make one file public, durably and atomically. `stage` stores a publication
where every machine finds it; from then on a restart completes it. Readers use the files in
`folder`.

Two stores implement it. In `LocalTree` the folder is the tree. In `server.storage.s3_tree` the tree
is in S3, the folder is a copy, and `refresh` brings it up to date.

Two small files tell readers which of the others they may use:

`roots.json`: a root is not visible before the timestamp that was published with it. A new root and
its timestamp are two files, so a crash may leave one without the other. The record is written
before both, and says which root goes with which timestamp.

`proofs.json` counts how often the log's proofs were signed again, so that readers know when their
proofs are out of date. The number is odd while proofs are being signed again, from before the first
of them to after the last. A crash in between leaves it odd: readers then reuse no proof until the
next run completes the renewal.
"""

import re
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import msgspec

from server.core.encodings import MAX_INTEGER, decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.core.metadata import metadata_limit
from server.core.names import metadata_name
from server.core.release import Positive
from server.storage.bounded import read_bounded
from server.storage.durable import write_durable, write_immutable
from server.storage.layout import StateFolder

LIMIT = 1024  # bytes of either of the two small files
_NAME = re.compile(r"([1-9][0-9]*)\.root\.json")

T = TypeVar("T")


class Tree(Protocol):
    """The interface of both stores. Paths are relative to the public folder.

    Every method may raise StorageError or OSError; the caller then repeats the earlier calls, too.
    """

    @property
    def folder(self) -> Path:
        """The public folder: `metadata/` and `log/`."""

    @property
    def is_shared(self) -> bool:
        """Whether the tree is in a store, which may not answer, and refuses late writes.

        Local: False.
        """

    def refresh(self, fence: int) -> None:
        """Bring the folder and the staged publication up to date with the store.

        The holder of the lease calls it first, with the `fence` of its lease. Earlier callers on
        this machine can no longer write. Local: does nothing.
        """

    def follow(self) -> bool:
        """Bring only the folder up to date, for readers; returns whether it was out of date.

        Local: always False.
        """

    def has(self, path: str) -> bool:
        """Answer whether a file is public."""

    def create(self, path: str, data: bytes) -> None:
        """Make an immutable file public; an existing one must hold the same bytes.

        A crash may leave, locally, a temporary file; in S3, an object that the copy lacks.
        """

    def replace(self, path: str, data: bytes) -> None:
        """Write a file that changes, such as the timestamp.

        A crash leaves the former content or the new one. S3: the copy may still have the former
        one.
        """

    def remove(self, path: str) -> None:
        """Remove a file; a missing one is no error."""

    def stage(self, temporary: Path, fence: int) -> None:
        """Store the audited publication in `temporary` for other machines.

        `fence` is that of the lease. A crash leaves nothing, or a publication that `refresh`
        copies. Local: does nothing.
        """

    def unstage(self) -> None:
        """Remove the staged publication: it is public now, or can never be.

        After a crash, the caller removes it again. Local: does nothing.
        """


class LocalTree:
    """The tree in a local folder: temporary file, fsync, rename."""

    is_shared = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The public folder."""
        return self._folder

    def refresh(self, fence: int) -> None:
        """Do nothing: the folder is the tree."""

    def follow(self) -> bool:
        """Return False: the folder is the tree."""
        return False

    def has(self, path: str) -> bool:
        """Answer whether the file exists."""
        return (self._folder / path).exists()

    def create(self, path: str, data: bytes) -> None:
        """Write the file, unless it exists with the same bytes."""
        write_immutable(self._folder / path, data)

    def replace(self, path: str, data: bytes) -> None:
        """Replace the file's content."""
        write_durable(self._folder / path, data)

    def remove(self, path: str) -> None:
        """Unlink the file."""
        (self._folder / path).unlink(missing_ok=True)

    def stage(self, temporary: Path, fence: int) -> None:
        """Do nothing: no other machine has this folder."""

    def unstage(self) -> None:
        """Do nothing."""


def open_tree(folder: StateFolder) -> Tree:
    """Return the tree of a state folder: the local one, or the shared one with its copy."""
    if folder.tree is None:
        return LocalTree(folder.public)
    from server.storage.s3_tree import open_s3_tree  # noqa: PLC0415 - few states have it there

    return open_s3_tree(folder)


def read_role(public: Path, role: str, version: int) -> bytes:
    """Return a role's file of a version; the timestamp has one file. Raises FormatError."""
    path = public / "metadata" / metadata_name(role, version)
    return read_bounded(path, metadata_limit(role))


class Roots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Root `newest` is visible from timestamp version `timestamp` on, until then root `before`.

    `time` is when `newest` became visible, in epoch seconds; 0 if a former version of hening wrote
    the file.
    """

    before: int
    newest: Positive
    timestamp: Positive
    time: int = 0


def write_roots(tree: Tree, *, before: int, newest: int, timestamp: int, time: int) -> None:
    """Record that root `newest` goes with `timestamp`, and root `before` with older ones."""
    roots = Roots(before, newest, timestamp, time)
    tree.replace("roots.json", encode_canonical_json(msgspec.to_builtins(roots)))


def find_roots(public: Path) -> list[int]:
    """Return the versions of the root files on disk, ascending, whether visible or not."""
    names = [path.name for path in public.glob("metadata/*.root.json")]
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def list_roots(public: Path, timestamp: int) -> list[int]:
    """Return the versions of root that go with version `timestamp` of the timestamp, ascending.

    Raises FormatError if there is none.
    """
    found = find_roots(public)
    roots = load_roots(public)
    if roots is not None:
        newest = roots.newest if timestamp >= roots.timestamp else roots.before
        found = [version for version in found if version <= newest]
    if not found:
        raise FormatError("no root is public: restore public/metadata from a copy.")
    return found


def identify_timestamp(public: Path) -> tuple[int, int] | None:
    """Return inode and time of change of the public timestamp: they differ after each change."""
    try:
        found = (public / "metadata" / "timestamp.json").stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def root_time(public: Path) -> int:
    """Return when the newest root became public, in epoch seconds; 0 without a record."""
    roots = load_roots(public)
    return 0 if roots is None else roots.time


def load_roots(public: Path) -> Roots | None:
    """Return the content of `roots.json`, None if missing; raises FormatError if malformed."""
    return _load(public / "roots.json", Roots)


class _Proofs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    restated: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


def load_proof_renewals(public: Path) -> int:
    """Return the number in `proofs.json`, 0 if proofs were never signed again."""
    proofs = _load(public / "proofs.json", _Proofs)
    return 0 if proofs is None else proofs.restated


def begin_proof_renewal(tree: Tree) -> None:
    """Make the number in `proofs.json` odd, if it is even."""
    number = load_proof_renewals(tree.folder)
    if number % 2 == 0:
        _write(tree, number + 1)


def end_proof_renewal(tree: Tree) -> None:
    """Make the number in `proofs.json` even, if it is odd."""
    number = load_proof_renewals(tree.folder)
    if number % 2:
        _write(tree, number + 1)


def _load(path: Path, kind: type[T]) -> T | None:
    if not path.exists():
        return None
    value = decode_canonical_json(read_bounded(path, LIMIT), limit=LIMIT)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise FormatError(f"{path.name} is malformed: {error}.") from error


def _write(tree: Tree, number: int) -> None:
    data = encode_canonical_json(msgspec.to_builtins(_Proofs(number)))
    tree.replace("proofs.json", data)
