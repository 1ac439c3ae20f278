"""The kinds of packs, and checks of the members of entries (FORMATS section 15).

The functions `read_…` return a checked value; `subject` begins their messages. They and the other
checks raise ContentError.
"""

import base64
import binascii
import datetime as dt
import hashlib
import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from client_sim.content.text import check_text
from client_sim.device.errors import ContentError
from client_sim.device.release import is_locale

ROLES: Final = ("tables", "content")
"""The roles with packs, in the order in which they are fetched."""

KEY: Final = re.compile(r"[A-Za-z0-9._/+-]{1,64}")
PICTURES: Final = "wallpapers"
"""The kind whose entries have pictures, each a target of its own."""

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
    """Return the part that contains an entry, by the first byte of its key's sha256."""
    return hashlib.sha256(key.encode("ascii")).digest()[0] * parts // _FANOUT


COUNTRY: Final = re.compile(r"[A-Z]{2}")
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ASCII: Final = re.compile(r"[ -~]*")
_LICENCE: Final = re.compile(r"[A-Za-z0-9.+:() -]{1,64}")
_LOCALES_LIMIT: Final = 64


def read_object(
    subject: str, value: object, members: Collection[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """Return an object with all of `members`, any of `optional`, and no others."""
    if not isinstance(value, dict) or not (set(members) <= value.keys() <= {*members, *optional}):
        raise ContentError(f"{subject} has missing or unknown members.")
    return value


def read_map(subject: str, value: object, fewest: int, most: int) -> dict[str, Any]:
    """Return an object with `fewest` to `most` members of any name."""
    if not isinstance(value, dict) or not fewest <= len(value) <= most:
        raise ContentError(f"{subject} is not an object with {fewest} to {most} members.")
    return value


def read_list(subject: str, value: object, fewest: int, most: int) -> list[Any]:
    """Return a list of `fewest` to `most` items."""
    if not isinstance(value, list) or not fewest <= len(value) <= most:
        raise ContentError(f"{subject} is not a list of {fewest} to {most} items.")
    return value


def read_integer(subject: str, value: object, lowest: int, highest: int) -> int:
    """Return an integer from `lowest` to `highest`; a boolean is not one."""
    if type(value) is not int or not lowest <= value <= highest:
        raise ContentError(f"{subject} is not an integer from {lowest} to {highest}.")
    return value


def read_match(subject: str, value: object, pattern: re.Pattern[str]) -> str:
    """Return text that a pattern matches as a whole."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ContentError(f"{subject} is malformed.")
    return value


def read_ascii(subject: str, value: object, fewest: int, most: int) -> str:
    """Return `fewest` to `most` printable ASCII characters."""
    text = read_match(subject, value, _ASCII)
    if not fewest <= len(text) <= most:
        raise ContentError(f"{subject} does not have {fewest} to {most} characters.")
    return text


def read_licence(value: object) -> str:
    """Return an SPDX expression."""
    return read_match("A licence", value, _LICENCE)


def read_day(subject: str, value: object) -> str:
    """Return a day `YYYY-MM-DD` of the calendar."""
    day = read_match(subject, value, _DAY)
    try:
        dt.date.fromisoformat(day)
    except ValueError:
        raise ContentError(f"{subject} is not a day of the calendar.") from None
    return day


def read_locales(
    subject: str, value: object, limit: int, *, is_long: bool = False
) -> dict[str, str]:
    """Return texts of at most `limit` characters by locale, of 1 to 64 locales."""
    texts = read_map(subject, value, 1, _LOCALES_LIMIT)
    for locale, text in texts.items():
        check_locale(locale)
        check_text(text, limit, is_long=is_long)
    return texts


def check_locale(text: str) -> None:
    """Check the form of a locale."""
    if not is_locale(text):
        raise ContentError("A text has an invalid locale.")


def check_ascending(subject: str, items: list[Any]) -> None:
    """Check that texts or numbers ascend without repetition."""
    if any(after <= before for before, after in itertools.pairwise(items)):
        raise ContentError(f"{subject} do not ascend.")


def decode_base64(subject: str, value: object, limit: int) -> bytes:
    """Return at most `limit` bytes from their canonical base64 text."""
    if not isinstance(value, str) or len(value) > limit * 4 // 3 + 4:
        raise ContentError(f"{subject} is not base64 of at most {limit} bytes.")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ContentError(f"{subject} is not base64.") from None
    if len(data) > limit or base64.b64encode(data).decode() != value:
        raise ContentError(f"{subject} is not canonical base64 of at most {limit} bytes.")
    return data
