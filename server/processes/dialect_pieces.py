"""The dialects' map in pieces, for a loop that serves phones meanwhile. Pure.

Each map is sent whole: it is small, and a worker has no part of a former one by mistake.
"""

from collections.abc import Iterator

import msgspec

from server.compat.lists import Lists
from server.compat.pages import GONE, Contents, Page
from server.compat.rendering import Rendered
from server.http.answers import Package
from server.processes.delta import NAMES, PIECE


class ListPiece(msgspec.Struct, frozen=True, tag="lists", omit_defaults=True):
    """A part of the map; with `second` of a later change, whose `absent` paths go away then."""

    second: int = 0
    pages: dict[str, Page] = {}
    packages: dict[str, Package] = {}
    gone: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class WholeLists(msgspec.Struct, frozen=True, tag="whole-lists"):
    """The end of a map: with the pieces before it is number `number`, counted by the sender."""

    number: int


def plan_lists(rendered: Rendered) -> Iterator[ListPiece]:
    """Yield the pieces of a map."""
    yield from _cut(0, rendered.contents)
    for second, change in rendered.changes:
        yield from _cut(second, {path: page for path, page in change.items() if page is not None})
        absent = [path for path, page in change.items() if page is None]
        for start in range(0, len(absent), NAMES):
            yield ListPiece(second, absent=tuple(absent[start : start + NAMES]))


def _cut(second: int, contents: Contents) -> Iterator[ListPiece]:
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
    """Put a piece into a map that is not served yet."""
    if piece.second == 0:
        lists.add({**piece.pages, **piece.packages, **dict.fromkeys(piece.gone, GONE)})
        return
    change = {**piece.pages, **dict.fromkeys(piece.absent)}
    if lists.changes and lists.changes[-1][0] == piece.second:
        change = {**lists.changes.pop()[1], **change}
    lists.changes.append((piece.second, change))


def make_lists(rendered: Rendered) -> Lists:
    """Return the map as this process serves it."""
    lists = Lists()
    for piece in plan_lists(rendered):
        add_piece(lists, piece)
    return lists
