"""The kinds of packs, their roles and numbers of parts, and where a key lies (FORMATS 15)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

ROLES: Final = ("tables", "content")
"""The roles with packs, in the order in which they are asked for."""

KEY: Final = re.compile(r"[A-Za-z0-9._/+-]{1,64}")
PICTURES: Final = "wallpapers"
"""The kind whose entries are pictures, each a target of its own."""

_FANOUT: Final = 256


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of packs: the role that lists it, and its fixed number of parts."""

    name: str
    role: str
    parts: int


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        name: Kind(name, role, parts)
        for name, role, parts in (
            ("apn", "tables", 16),
            ("ca", "tables", 16),
            ("emergency", "tables", 4),
            ("zones", "tables", 16),
            ("features", "content", 1),
            ("greetings", "content", 8),
            ("holidays", "content", 8),
            ("notices", "content", 1),
            ("themes", "content", 1),
            ("wallpapers", "content", 1),
        )
    }
)
"""All kinds that this phone knows, in ascending order within their roles."""


def kinds_of(role: str) -> tuple[Kind, ...]:
    """Return the kinds of a role, in ascending order."""
    return tuple(kind for kind in KINDS.values() if kind.role == role)


def part_of(key: str, parts: int) -> int:
    """Return the part that an entry lies in, by the first octet of the sha256 of its key."""
    return hashlib.sha256(key.encode("ascii")).digest()[0] * parts // _FANOUT


def part_path(kind: Kind, part: int) -> str:
    """Return the name of the target that is a part of a kind's pack."""
    return f"{kind.role}/{kind.name}/{part:02}.xz"
