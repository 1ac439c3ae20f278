"""Entries of `holidays` and `emergency`: a country's holidays in a year, its emergency numbers.

Source: docs/FORMATS.md section 15.
"""

import re
from itertools import pairwise
from typing import Annotated

import msgspec

from server.core.content.kinds import convert_entries, is_country
from server.core.content.part import Entries
from server.core.content.text import Localized, check_localized
from server.core.release import Day, check_day

_YEAR_KEY = re.compile(r"[A-Z]{2}-([0-9]{4})")
Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,8}\Z")]


class Holidays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days with their names by locale, ascending."""

    days: Annotated[list[tuple[Day, Localized]], msgspec.Meta(max_length=200)]

    def __post_init__(self) -> None:
        for day, names in self.days:
            check_day(day)
            check_localized(names, 120)
        if any(first >= second for (first, _), (second, _) in pairwise(self.days)):
            raise ValueError("the days are not ascending")


def check_holidays(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of holidays."""

    def check(key: str, holidays: Holidays) -> None:
        found = _YEAR_KEY.fullmatch(key)
        if found is None:
            raise ValueError("the key is not of the form COUNTRY-YEAR")
        if not all(day.startswith(found[1]) for day, _ in holidays.days):
            raise ValueError(f"a day is not in {found[1]}")

    convert_entries(kind, entries, Holidays, check)


class Emergency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers as dialled; unless `exact`, longer numbers with this beginning count, too."""

    exact: bool
    numbers: Annotated[list[Number], msgspec.Meta(max_length=200)]

    def __post_init__(self) -> None:
        if self.numbers != sorted(set(self.numbers)):
            raise ValueError("the numbers are not ascending")


def check_emergency(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of emergency numbers."""

    def check(key: str, _: Emergency) -> None:
        if not is_country(key):
            raise ValueError("the key is not a country")

    convert_entries(kind, entries, Emergency, check)
