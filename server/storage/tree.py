"""The public tree, and the one publication that was accepted and is not public yet.

`create` and `replace` make one file public, durably and whole; `stage` keeps a publication where
each machine finds it, from which on a restart completes it. Readers use the files in `folder`.

Two stores implement it. In `LocalTree` the folder is the tree. In `server.storage.s3_tree` the tree
is in S3, the folder is a copy, and `refresh` brings it up to date.

Two small files say which of the others readers may use:

`roots.json`: a root is not visible before the timestamp that was published with it. A new root and
its timestamp are two files, so that a crash may leave the one without the other. The record is
written before both, and says which root goes with which timestamp.

`proofs.json` counts how often the log's proofs were signed again, so that readers know when theirs
are old. The number is odd while proofs are being signed again, from before the first of them to
after the last. A crash in between leaves it odd: readers then reuse no proof, and the next run ends
it.
"""

import re
from pathlib import Path
from typing import Annotated, Protocol

import msgspec

from server.core.encodings import MAX_INTEGER, decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.core.release import Positive
from server.storage.bounded import read_bounded
from server.storage.durable import write_durable, write_immutable
from server.storage.layout import StateFolder

LIMIT = 1024  # bytes of either of the two small files
_NAME = re.compile(r"([1-9][0-9]*)\.root\.json")


class Tree(Protocol):
    """What publishing needs of either store. Paths are those below the public folder.

    Every method may raise StorageError or OSError; whatever was done before it is repeated.
    """

    @property
    def folder(self) -> Path:
        """The public folder: `metadata/` and `log/`."""

    @property
    def is_shared(self) -> bool:
        """Whether it is a store that may not answer, and that refuses what is written late.

        Local: it is not.
        """

    def refresh(self, fence: int) -> None:
        """Bring folder and staged publication to what is in the store.

        The lease's holder calls it first; `fence` is that of its lease. Who called it before on
        this machine can write no more. Local: nothing is done.
        """

    def follow(self) -> bool:
        """Bring the folder alone up to date, for those who only read; returns if it was not.

        Local: it always is.
        """

    def has(self, path: str) -> bool:
        """Answer whether a file is public."""

    def create(self, path: str, data: bytes) -> None:
        """Make a file public that never changes; one that exists must hold the same.

        Local: a crash leaves a temporary file. S3: nothing, or an object that the copy lacks.
        """

    def replace(self, path: str, data: bytes) -> None:
        """Write a file that changes, such as the timestamp.

        A crash leaves the former content or the new one. S3: the copy may have the former one.
        """

    def remove(self, path: str) -> None:
        """Remove a file; a missing one is no error."""

    def stage(self, temporary: Path, fence: int) -> None:
        """Keep the audited publication in `temporary` for other machines.

        `fence` is that of the lease. A crash leaves nothing, or what `refresh` copies. Local:
        nothing is done.
        """

    def unstage(self) -> None:
        """Remove what was staged: it is public now, or never can be.

        A crash leaves it to be removed again. Local: nothing is done.
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
        """Answer that the folder is the tree."""
        return False

    def has(self, path: str) -> bool:
        """Answer whether the file exists."""
        return (self._folder / path).exists()

    def create(self, path: str, data: bytes) -> None:
        """Write the file, or find the same bytes there."""
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
    """Return the tree of a state folder: the folder's own, or a copy of the shared one."""
    if folder.tree is None:
        return LocalTree(folder.public)
    from server.storage.s3_tree import open_s3_tree  # noqa: PLC0415 - few states have it there

    return open_s3_tree(folder)


class Roots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`newest` is visible from version `timestamp` of the timestamp on, until then `before`.

    `time` is when that was, in epoch seconds; 0 if a former version of hening wrote the file.
    """

    before: int
    newest: Positive
    timestamp: Positive
    time: int = 0


def write_roots(tree: Tree, *, before: int, newest: int, timestamp: int, time: int) -> None:
    """Record that root `newest` goes with `timestamp`, and `before` with those that are older."""
    roots = Roots(before, newest, timestamp, time)
    tree.replace("roots.json", encode_canonical_json(msgspec.to_builtins(roots)))


def find_roots(public: Path) -> list[int]:
    """Return the versions in the names of the files on disk, ascending, visible or not yet."""
    names = [path.name for path in public.glob("metadata/*.root.json")]
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def list_roots(public: Path, timestamp: int) -> list[int]:
    """Return the versions of root that go with version `timestamp` of the timestamp, ascending.

    Raises FormatError where there is none.
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
    """Return inode and time of change of the public timestamp, another one after each change."""
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
    """Return the content of `roots.json`, None where it is missing; raises FormatError."""
    path = public / "roots.json"
    if not path.exists():
        return None
    value = decode_canonical_json(read_bounded(path, LIMIT), limit=LIMIT)
    try:
        return msgspec.convert(value, Roots)
    except msgspec.ValidationError as error:
        raise FormatError(f"{path.name} is malformed: {error}.") from error


class _Proofs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    restated: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


def load_proof_renewals(public: Path) -> int:
    """Return the number of `proofs.json`, 0 where proofs were never signed again."""
    path = public / "proofs.json"
    if not path.exists():
        return 0
    value = decode_canonical_json(read_bounded(path, LIMIT), limit=LIMIT)
    try:
        return msgspec.convert(value, _Proofs).restated
    except msgspec.ValidationError as error:
        raise FormatError(f"{path.name} is malformed: {error}.") from error


def begin_proof_renewal(tree: Tree) -> None:
    """Make the number of `proofs.json` odd."""
    number = load_proof_renewals(tree.folder)
    if number % 2 == 0:
        _write(tree, number + 1)


def end_proof_renewal(tree: Tree) -> None:
    """Make the number of `proofs.json` even, if it is not."""
    number = load_proof_renewals(tree.folder)
    if number % 2:
        _write(tree, number + 1)


def _write(tree: Tree, number: int) -> None:
    data = encode_canonical_json(msgspec.to_builtins(_Proofs(number)))
    tree.replace("proofs.json", data)
