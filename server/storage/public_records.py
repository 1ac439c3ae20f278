"""Small files of the public tree that say which of the others readers may use.

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
from typing import Annotated

import msgspec

from server.core.encodings import MAX_INTEGER, decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.core.release import Positive
from server.storage.bounded import read_bounded
from server.storage.tree import Tree

LIMIT = 1024
_NAME = re.compile(r"([1-9][0-9]*)\.root\.json")


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
