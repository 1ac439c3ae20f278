"""Public holidays of all countries in the package `holidays`, year by year."""

import datetime as dt
import unicodedata
from collections.abc import Callable, Iterable
from importlib.metadata import version

from holidays import PUBLIC, HolidayBase, country_holidays, list_supported_countries

from signer.content.sources.build_result import BuildResult, LeftOut, name_source

NAME = "holidays"
LICENCE = "MIT"
MAX_NAME = 120
ENGLISH = "en_US"


def load_holidays(years: Iterable[int]) -> BuildResult:
    """Build the kind `holidays` for `years`, of all countries that the package knows.

    A day's names are in the package's language for the country, and in English; several names of
    one day are joined. Years that the package cannot compute for a country are left out, as are
    days that are not public holidays of the whole country.
    """
    entries: dict[str, object] = {}
    notes: list[str] = []
    left_out = LeftOut()
    for country in sorted(list_supported_countries(include_aliases=False)):
        for year in sorted(set(years)):
            found = country_holidays(country, years=year, language=_own_language(country))
            if not found.start_year <= year <= found.end_year:
                left_out.add(f"a year that {NAME} cannot compute", f"{country}-{year}")
                continue
            days = _days_of(country, year, found, notes.append)
            entries[f"{country}-{year}"] = {"days": days}
        _note_others(country, left_out)
    sources = [name_source(NAME, version(NAME), LICENCE)]
    return BuildResult(entries, sources, notes=tuple(notes), left_out=left_out)


def english_days(country: str, year: int) -> dict[dt.date, list[str]]:
    """Return the names of a country's holidays by day, in English where the package has it."""
    has_english = ENGLISH in country_holidays(country).supported_languages
    language = ENGLISH if has_english else _own_language(country)
    return _names(country_holidays(country, years=year, language=language), year)


def _note_others(country: str, left_out: LeftOut) -> None:
    """Record the holidays that are left out: those of parts of a country, and of other kinds."""
    known = country_holidays(country)
    if known.subdivisions:
        reason = "a part of a country, with holidays that only it has"
        left_out.add(reason, country, len(known.subdivisions))
    for category in sorted(set(known.supported_categories) - {PUBLIC}):
        left_out.add("a kind of holidays that are not public", f"{country}: {category}")


def _own_language(country: str) -> str | None:
    """Return the language to request: by default the package would use the machine's."""
    own: str | None = country_holidays(country).default_language
    return own


def _days_of(
    country: str, year: int, found: HolidayBase, note: Callable[[str], None]
) -> list[list[object]]:
    """Return the days of a year, ascending, each with its names by locale."""
    # A country has one variant of its language here, so the language code is enough.
    own = (found.default_language or ENGLISH).partition("_")[0]
    locales = {own: _names(found, year)}
    if own != "en" and ENGLISH in found.supported_languages:
        locales["en"] = english_days(country, year)
    return [
        [
            str(day),
            {
                locale: _one_line(names[day], f"{country}, {day}", note)
                for locale, names in locales.items()
                if day in names
            },
        ]
        for day in sorted(locales[own])
    ]


def _names(found: HolidayBase, year: int) -> dict[dt.date, list[str]]:
    return {day: found.get_list(day) for day in found if day.year == year}


def _one_line(names: list[str], where: str, note: Callable[[str], None]) -> str:
    line = "; ".join(dict.fromkeys(unicodedata.normalize("NFC", name) for name in names))
    if len(line) <= MAX_NAME:
        return line
    note(f"{where}: the name is cut to {MAX_NAME} characters: {line}")
    return line[: MAX_NAME - 1] + "…"
