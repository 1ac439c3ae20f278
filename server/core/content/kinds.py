"""The kinds of packs: which role signs each, and into how many parts it is split.

Source: docs/FORMATS.md section 15.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from server.core.errors import FormatError

CONTENT_ROLES = ("tables", "content")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of pack: the role that lists it and its fixed number of parts."""

    role: str
    parts: int


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "apn": Kind("tables", 16),
        "ca": Kind("tables", 16),
        "emergency": Kind("tables", 4),
        "features": Kind("content", 1),
        "greetings": Kind("content", 8),
        "holidays": Kind("content", 8),
        "notices": Kind("content", 1),
        "themes": Kind("content", 1),
        "wallpapers": Kind("content", 1),
        "zones": Kind("tables", 16),
    }
)


def find_kind(kind: str) -> Kind:
    """Return the kind of that name; FormatError where there is none."""
    if kind not in KINDS:
        raise FormatError(f"{kind[:40]!r} is no kind of pack; there are {', '.join(KINDS)}.")
    return KINDS[kind]


def part_path(kind: str, number: int) -> str:
    """Return the target path of a part, `ROLE/KIND/NN.xz`."""
    return f"{find_kind(kind).role}/{kind}/{number:02}.xz"


def part_paths(kind: str) -> list[str]:
    """Return the target paths of all parts of a kind, in ascending order."""
    return [part_path(kind, number) for number in range(find_kind(kind).parts)]


def picture_path(name: str) -> str:
    """Return the target path of the picture of a wallpaper."""
    return f"content/wallpapers/{name}.jpg"
