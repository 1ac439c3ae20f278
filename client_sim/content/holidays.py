"""Public holidays of countries: their schema, and those of a year."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_sim.content.locale import pick_text
from client_sim.content.shape import (
    check_ascending,
    read_day,
    read_list,
    read_locales,
    read_match,
    read_object,
)
from client_sim.device.errors import ContentError

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
            raise ContentError("A holiday is in another year than it should be.")
        check_ascending("The holidays of a year", days)


def list_holidays(
    entries: Mapping[str, Any], country: str, year: int, locale: str
) -> list[Holiday]:
    """Return a country's holidays of a year; raises ContentError if the pack has none of it."""
    entry = entries.get(f"{country}-{year:04}")
    if entry is None:
        raise ContentError(f"The pack has no holidays of {country} in {year}.")
    return [Holiday(day, pick_text(names, locale)) for day, names in entry["days"]]
