"""Snapshots and the dialects' map in pieces small enough for a loop that serves phones.

A snapshot is sent as the difference to the previous one. An unchanged document is the same object
in the next snapshot, so differences are found by identity, without comparing bytes. The dialects'
map is always sent completely: it is small, and parts of a former map cannot remain. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from server.compat.lists import Lists
from server.compat.pages import GONE, Contents, Page
from server.compat.rendering import Rendered
from server.device.documents import Document
from server.device.snapshot import Snapshot
from server.http.answers import Package

PIECE = 256 * 1024  # bytes of documents in a piece with more than one document
NAMES = 2_000  # entries of a piece

V = TypeVar("V")


class Piece(msgspec.Struct, frozen=True, tag="piece", omit_defaults=True):
    """A part of a difference: new or changed documents, and the names of removed ones."""

    documents: dict[str, Document] = {}
    packages: dict[str, Package] = {}
    current: dict[str, int] = {}
    withdrawn: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    no_documents: tuple[str, ...] = ()
    no_packages: tuple[str, ...] = ()
    no_current: tuple[str, ...] = ()
    no_withdrawn: tuple[str, ...] = ()
    no_missing: tuple[str, ...] = ()


class Whole(msgspec.Struct, frozen=True, tag="whole"):
    """The end of a difference; its pieces give the snapshot `version`.

    `root` is the version of the newest root.
    """

    version: int
    root: int


def plan_delta(before: Snapshot, after: Snapshot) -> Iterator[Piece]:
    """Yield the pieces that change `before` to `after`; none if both serve the same."""
    for documents in _cut_documents(_changed(before.documents, after.documents)):
        yield Piece(documents=documents)
    for packages in _cut(_changed(before.packages, after.packages)):
        yield Piece(packages=dict(packages))
    for current in _cut(_changed(before.current, after.current)):
        yield Piece(current=dict(current))
    yield from _plan_names(before, after)


def _plan_names(before: Snapshot, after: Snapshot) -> Iterator[Piece]:
    """Yield the changes of the names: withdrawn, missing and removed files."""
    for part in _cut(sorted(after.withdrawn - before.withdrawn)):
        yield Piece(withdrawn=tuple(part))
    for part in _cut(sorted(before.withdrawn - after.withdrawn)):
        yield Piece(no_withdrawn=tuple(part))
    for part in _cut(sorted(after.missing - before.missing)):
        yield Piece(missing=tuple(part))
    for part in _cut(sorted(before.missing - after.missing)):
        yield Piece(no_missing=tuple(part))
    for part in _cut(sorted(before.documents.keys() - after.documents.keys())):
        yield Piece(no_documents=tuple(part))
    for part in _cut(sorted(before.packages.keys() - after.packages.keys())):
        yield Piece(no_packages=tuple(part))
    for part in _cut(sorted(before.current.keys() - after.current.keys())):
        yield Piece(no_current=tuple(part))


class Assembly:
    """Applies pieces to copies, so that the served snapshot stays unchanged meanwhile."""

    def __init__(self, before: Snapshot) -> None:
        self._documents = dict(before.documents)
        self._packages = dict(before.packages)
        self._current = dict(before.current)
        self._withdrawn = set(before.withdrawn)
        self._missing = set(before.missing)

    def add(self, piece: Piece) -> None:
        """Apply a piece."""
        self._documents.update(piece.documents)
        self._packages.update(piece.packages)
        self._current.update(piece.current)
        self._withdrawn.update(piece.withdrawn)
        self._missing.update(piece.missing)
        self._withdrawn.difference_update(piece.no_withdrawn)
        self._missing.difference_update(piece.no_missing)
        for name in piece.no_documents:
            self._documents.pop(name, None)
        for name in piece.no_packages:
            self._packages.pop(name, None)
        for name in piece.no_current:
            self._current.pop(name, None)

    def finish(self, whole: Whole) -> Snapshot:
        """Return the resulting snapshot."""
        return Snapshot(
            version=whole.version,
            root=whole.root,
            documents=self._documents,
            packages=self._packages,
            withdrawn=frozenset(self._withdrawn),
            current=self._current,
            missing=frozenset(self._missing),
        )


def _changed(before: Mapping[str, V], after: Mapping[str, V]) -> list[tuple[str, V]]:
    get = before.get
    return [
        (name, value)
        for name, value in after.items()
        if (known := get(name)) is not value and known != value
    ]


def _cut(entries: "list[V]") -> "Iterator[list[V]]":
    for start in range(0, len(entries), NAMES):
        yield entries[start : start + NAMES]


def _cut_documents(changed: list[tuple[str, Document]]) -> Iterator[dict[str, Document]]:
    piece: dict[str, Document] = {}
    data = 0
    for name, document in changed:
        size = _size(document)
        if piece and (data + size > PIECE or len(piece) == NAMES):
            yield piece
            piece, data = {}, 0
        piece[name] = document
        data += size
    if piece:
        yield piece


def _size(document: Document) -> int:
    packed = 0 if document.compressed is None else len(document.compressed.data)
    return len(document.identity.data) + packed


class ListPiece(msgspec.Struct, frozen=True, tag="lists", omit_defaults=True):
    """A part of the map, or of the change of it at `second`, which removes the `absent` paths."""

    second: int = 0
    pages: dict[str, Page] = {}
    packages: dict[str, Package] = {}
    gone: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class WholeLists(msgspec.Struct, frozen=True, tag="whole-lists"):
    """The end of a map; its pieces give map `number`, as counted by the sender."""

    number: int


def plan_lists(rendered: Rendered) -> Iterator[ListPiece]:
    """Yield the pieces of a map."""
    yield from _cut_lists(0, rendered.contents)
    for second, change in rendered.changes:
        yield from _cut_lists(
            second, {path: page for path, page in change.items() if page is not None}
        )
        absent = [path for path, page in change.items() if page is None]
        for start in range(0, len(absent), NAMES):
            yield ListPiece(second, absent=tuple(absent[start : start + NAMES]))


def _cut_lists(second: int, contents: Contents) -> Iterator[ListPiece]:
    pages: dict[str, Page] = {}
    packages: dict[str, Package] = {}
    gone: list[str] = []
    data = count = 0
    for path, content in contents.items():
        match content:
            case Page():
                pages[path] = content
                data += len(content.data)
            case Package():
                packages[path] = content
            case _:
                gone.append(path)
        count += 1
        if data > PIECE or count == NAMES:
            yield ListPiece(second, pages, packages, tuple(gone))
            pages, packages, gone, data, count = {}, {}, [], 0, 0
    if count:
        yield ListPiece(second, pages, packages, tuple(gone))


def add_piece(lists: Lists, piece: ListPiece) -> None:
    """Add a piece to a map that is not served yet."""
    if piece.second == 0:
        lists.add({**piece.pages, **piece.packages, **dict.fromkeys(piece.gone, GONE)})
        return
    change = {**piece.pages, **dict.fromkeys(piece.absent)}
    if lists.changes and lists.changes[-1][0] == piece.second:
        change = {**lists.changes.pop()[1], **change}
    lists.changes.append((piece.second, change))


def make_lists(rendered: Rendered) -> Lists:
    """Return the map in the form in which this process serves it."""
    lists = Lists()
    for piece in plan_lists(rendered):
        add_piece(lists, piece)
    return lists
