"""The kinds of packs: the role that signs each, and the number of its parts.

Source: docs/FORMATS.md section 15.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from server.core.errors import FormatError, HeningError

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
    """Return the kind with that name; raises FormatError if there is none."""
    if kind not in KINDS:
        raise FormatError(f"{kind[:40]!r} is not a kind of pack; the kinds are {', '.join(KINDS)}.")
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


_COUNTRY = re.compile(r"[A-Z]{2}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")


def is_country(text: str) -> bool:
    """Return whether `text` is two capital letters."""
    return _COUNTRY.fullmatch(text) is not None


def check_name(text: str) -> None:
    """Raise ValueError unless `text` may name a picture or a theme."""
    if _NAME.fullmatch(text) is None:
        raise ValueError(f"{text[:64]!r} is not a name of lower-case letters, digits and `-`")


_T = TypeVar("_T")


def convert_entry(kind: str, key: str, entry: object, form: type[_T]) -> _T:
    """Return `entry` as a `form`; raises FormatError, with kind and key, if it is malformed."""
    try:
        return msgspec.convert(entry, form)
    except (msgspec.ValidationError, ValueError, HeningError) as error:
        raise entry_error(kind, key, str(error)) from error


def convert_entries(
    kind: str,
    entries: Mapping[str, Any],
    form: type[_T],
    check: Callable[[str, _T], None] | None = None,
) -> dict[str, _T]:
    """Return all entries as `form`; `check` is called with each key and converted entry.

    Raises FormatError, with kind and key, for a malformed entry.
    """
    converted = {}
    for key, entry in entries.items():
        converted[key] = convert_entry(kind, key, entry, form)
        if check is not None:
            try:
                check(key, converted[key])
            except (ValueError, HeningError) as error:
                raise entry_error(kind, key, str(error)) from error
    return converted


def entry_error(kind: str, key: str, rule: str) -> FormatError:
    """Return the error for an entry that breaks `rule`."""
    return FormatError(f"the entry {key[:64]!r} of {kind}: {rule.rstrip('.')}.")
