"""Entries of `greetings`: occasions with their days, and greetings for them.

Source: docs/FORMATS.md section 15.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated

import msgspec

from server.core.content.kinds import convert_entries, entry_error, is_country
from server.core.content.part import Entries
from server.core.content.text import Licence, Localized, Text, check_localized, check_text
from server.core.names import is_locale
from server.core.release import Day, check_day

_DEFAULT = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")


def count_segments(text: str) -> int:
    """Return the number of SMS segments of `text`, at least 1.

    In the GSM 7-bit default alphabet a single segment holds 160 septets, and each of several holds
    153. In any other text they hold 70 and 67 UTF-16 units. A character of two units is not split.
    """
    if all(character in _DEFAULT or character in _EXTENSION for character in text):
        return _segments((2 if character in _EXTENSION else 1 for character in text), 160, 153)
    return _segments((2 if ord(character) > 0xFFFF else 1 for character in text), 70, 67)


def _segments(units: Iterable[int], alone: int, each: int) -> int:
    sizes = list(units)
    if sum(sizes) <= alone:
        return 1
    segments, used = 1, 0
    for size in sizes:
        if used + size > each:
            segments, used = segments + 1, 0
        used += size
    return segments


MAX_SEGMENTS = 4
OCCASION = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_OCCASION_KEY = re.compile(rf"occasion/({OCCASION.pattern})")
_TEXT_KEY = re.compile(rf"text/([^/]+)/({OCCASION.pattern})/(?:0|[1-9][0-9]{{0,15}})")


class Occasion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An occasion's name, and its days by country, with `*` for all; no days mean any day."""

    days: dict[str, Annotated[list[Day], msgspec.Meta(max_length=64)]]
    name: Localized

    def __post_init__(self) -> None:
        check_localized(self.name, 80)
        for place, days in self.days.items():
            if place != "*" and not is_country(place):
                raise ValueError(f"{place[:16]!r} is neither a country nor `*`")
            for day in days:
                check_day(day)
            if any(first >= second for first, second in pairwise(days)):
                raise ValueError(f"the days of {place} are not ascending")


class Greeting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text that an owner may send, at most four short messages long."""

    author: Text
    licence: Licence
    text: Text

    def __post_init__(self) -> None:
        check_text(self.author, 80)
        check_text(self.text, 500, lines=True)
        if (segments := count_segments(self.text)) > MAX_SEGMENTS:
            raise ValueError(
                f"the text takes {segments} SMS segments, and {MAX_SEGMENTS} are allowed"
            )


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of greetings, each of an occasion in it."""
    occasions = {key: entry for key, entry in entries.items() if _OCCASION_KEY.fullmatch(key)}
    convert_entries(kind, occasions, Occasion)
    texts = {key: entry for key, entry in entries.items() if key not in occasions}
    for key in texts:
        found = _TEXT_KEY.fullmatch(key)
        if found is None:
            raise entry_error(
                kind, key, "the key is neither occasion/OCCASION nor text/LOCALE/OCCASION/N"
            )
        if not is_locale(found[1]):
            raise entry_error(kind, key, f"{found[1]!r} is not a locale")
        if f"occasion/{found[2]}" not in occasions:
            raise entry_error(kind, key, f"there is no occasion {found[2]!r}")
    convert_entries(kind, texts, Greeting)
