"""The answers to paths of a dialect: a list, a file, or that a file was withdrawn. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from server.compat.offers import ChannelOffers, Item, Model
from server.http.answers import ONE_MINUTE, Package, encode_fields

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """A small list, serialised once: `data` is header fields, an empty line and the body.

    Its first `head` bytes end with the empty line. It has neither an entity tag nor a modification
    date, so that apps cannot send them back.
    """

    data: bytes
    head: int

    @property
    def fields(self) -> bytes:
        """The header fields and the empty line."""
        return self.data[: self.head]

    @property
    def body(self) -> bytes:
        """The bytes after the header fields."""
        return self.data[self.head :]


@dataclass(frozen=True, slots=True)
class Gone:
    """The answer for a withdrawn file."""


GONE = Gone()
Content: TypeAlias = Page | Package | Gone
Contents: TypeAlias = Mapping[str, Content]
# Lists that change at a time; None removes a path.
Change: TypeAlias = Mapping[str, Page | None]


def apply_change(contents: dict[str, Content], change: Change) -> None:
    """Apply `change` to the map `contents`."""
    for path, page in change.items():
        if page is None:
            contents.pop(path, None)
        else:
            contents[path] = page


def make_page(kind: str, body: bytes) -> Page:
    """Return a list that may be cached for a minute."""
    fields = {
        "Content-Type": kind,
        "Cache-Control": ONE_MINUTE,
        "Content-Length": str(len(body)),
    }
    data = encode_fields(fields)
    return Page(data + body, len(data))


def json_page(value: object) -> Page:
    """Return a list in compact JSON with sorted keys."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return make_page(JSON, text.encode())


def file_of(offers: ChannelOffers, item: Item) -> Package | Gone | None:
    """Return the answer for the file of a package; None if its bytes are missing."""
    if item.path in offers.absent:
        return GONE if item.release.withdrawn else None
    return Package(item.sha256, item.length)


def hashed_files(model: Model, folder: str, kind: str = "full") -> dict[str, Content]:
    """Return the files of a model's packages of this kind, in `folder`, named by hash and name.

    Files of a halted build stay; those of a withdrawn build are gone.
    """
    files: dict[str, Content] = {}
    for offers in model.channel_offers.values():
        for item in offers.items.values():
            found = file_of(offers, item) if item.release.type == kind else None
            if found is not None:
                files[f"{folder}/{item.hashed}"] = found
    return files
