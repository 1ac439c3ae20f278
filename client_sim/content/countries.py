"""Emergency numbers and public holidays of countries."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_sim.content.kinds import (
    COUNTRY,
    check_ascending,
    read_day,
    read_list,
    read_locales,
    read_match,
    read_object,
)
from client_sim.content.text import pick_text
from client_sim.device.errors import ContentError

_NUMBER: Final = re.compile(r"[0-9]{2,8}")
_FIRST: Final = re.compile(r"[+\uff0b\d]")
_SECOND_NUMBER: Final = re.compile(r"[\\/] *x")


@dataclass(frozen=True, slots=True)
class EmergencyNumbers:
    """A country's emergency numbers.

    Unless `exact` is true, longer numbers that begin with one of them are emergency numbers, too.
    """

    numbers: tuple[str, ...]
    exact: bool

    def is_emergency(self, dialled: str) -> bool:
        """Tell whether `dialled` is an emergency number, by the rules of libphonenumber.

        Digits may be of any script, and other characters are ignored. A number with a leading `+`
        is not an emergency number.
        """
        digits = _read_digits(dialled)
        return digits in self.numbers if self.exact else digits.startswith(self.numbers)


def check_emergency(entries: Mapping[str, Any]) -> None:
    """Check the entries of a pack; raises ContentError."""
    for key, entry in entries.items():
        read_match("A country", key, COUNTRY)
        country = read_object("A country's emergency numbers", entry, ("exact", "numbers"))
        if type(country["exact"]) is not bool:
            raise ContentError("Whether emergency numbers are exact is neither true nor false.")
        numbers = [
            read_match("An emergency number", number, _NUMBER)
            for number in read_list("A country's emergency numbers", country["numbers"], 0, 200)
        ]
        check_ascending("A country's emergency numbers", numbers)


def find_emergency(entries: Mapping[str, Any], country: str) -> EmergencyNumbers:
    """Return a country's numbers; raises ContentError if the pack lacks the country."""
    entry = entries.get(country)
    if entry is None:
        raise ContentError(f"The pack has no emergency numbers of {country}.")
    return EmergencyNumbers(tuple(entry["numbers"]), entry["exact"])


def _read_digits(dialled: str) -> str:
    """Return the dialled digits before a second number; empty for a number with a leading `+`."""
    first = _FIRST.search(dialled)
    if first is None or not first[0].isdecimal():
        return ""
    number = _SECOND_NUMBER.split(dialled[first.start() :], maxsplit=1)[0]
    digits = (unicodedata.digit(character, None) for character in number)
    return "".join(str(digit) for digit in digits if digit is not None)


_KEY: Final = re.compile(r"[A-Z]{2}-[0-9]{4}")


@dataclass(frozen=True, slots=True)
class Holiday:
    """A public holiday: its day `YYYY-MM-DD`, and its name in one language."""

    day: str
    name: str


def check_holidays(entries: Mapping[str, Any]) -> None:
    """Check the entries of a pack; raises ContentError."""
    for key, entry in entries.items():
        year = read_match("The key of a year", key, _KEY)[3:]
        rows = read_list("A year", read_object("A year", entry, ("days",))["days"], 0, 200)
        days = []
        for row in rows:
            day, names = read_list("A holiday", row, 2, 2)
            days.append(read_day("A holiday", day))
            read_locales("The name of a holiday", names, 120)
        if any(not day.startswith(f"{year}-") for day in days):
            raise ContentError("A holiday is not in the year of its entry.")
        check_ascending("The holidays of a year", days)


def list_holidays(
    entries: Mapping[str, Any], country: str, year: int, locale: str
) -> list[Holiday]:
    """Return a country's holidays of a year; raises ContentError if the pack lacks them."""
    entry = entries.get(f"{country}-{year:04}")
    if entry is None:
        raise ContentError(f"The pack has no holidays of {country} in {year}.")
    return [Holiday(day, pick_text(names, locale)) for day, names in entry["days"]]
