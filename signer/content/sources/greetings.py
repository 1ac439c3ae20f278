"""Preset greetings: occasions with their days, and texts in many languages.

A folder has `occasions.yaml` and messages in YAML, CSV or PO. The key `OCCASION/name` is the
occasion's name, and `OCCASION` a text for it, of which there may be several.
"""

import datetime as dt
import re
from calendar import monthcalendar
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from holidays import list_supported_countries

from server.core.content.greetings import OCCASION, count_segments
from signer.content.sources import holidays
from signer.content.sources.build_result import BuildResult, name_source
from signer.content.sources.holidays import english_days
from signer.content.sources.translations import (
    Completeness,
    Marked,
    Message,
    check_greeting,
    check_words,
    count_messages,
    read_messages,
    read_yaml,
)
from signer.errors import SourceError

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIXED = re.compile(r"(\d\d)-(\d\d)")
NTH = re.compile(rf"({'|'.join(WEEKDAYS)}) ([1-4]|last) of (\d\d)")
BEFORE = re.compile(r"(\d{1,2}) days before (\S.*)")
#: A date that depends on the sighting of the moon is good enough for a greeting.
ESTIMATED = " (estimated)"

Calendar = Mapping[str, Mapping[dt.date, list[str]]]


def load_calendar(years: Sequence[int]) -> Calendar:
    """Return the English names of all countries' holidays, by country and day; `years` ascend."""
    return {
        country: {
            day: names
            for year in years
            for day, names in sorted(english_days(country, year).items())
        }
        for country in sorted(list_supported_countries(include_aliases=False))
    }


def days_of(marked: Marked, calendar: Calendar, years: Sequence[int]) -> dict[str, list[str]]:
    """Return the days of an occasion by place, from its rules, all of them optional.

    - `named` lists English names of holidays in the package: a country with such a holiday has the
      occasion on that day. `countries` restricts this to some countries.
    - `like` gives a place the days of a country that `named` has found.
    - `on` gives a place days by a rule: `12-25`; `sunday 2 of 05` or `sunday last of 05`; or
      `22 days before Easter Monday`, by a holiday of that country.
    - `without` lists places that have no such day.

    The place `*` is everywhere else. Without any rule the occasion is on any day. Raises
    SourceError for an invalid rule.
    """
    rules = marked.members((), {"countries", "like", "named", "on", "without"})
    found: dict[str, list[str]] = {}
    if "named" in rules:
        found = _named(rules, calendar)
    if "like" in rules:
        for place, model in rules["like"].mapping().items():
            if model.text() not in found:
                raise model.error(f"{model.text()} has no such holiday in these years")
            found[place] = found[model.text()]
    if "on" in rules:
        for place, rule in rules["on"].mapping().items():
            own = calendar.get(place, {})
            found[place] = [str(_day_in(rule, year, own)) for year in years]
    if "without" in rules:
        found |= {each.text(): [] for each in rules["without"].sequence()}
    return dict(sorted(found.items()))


def _named(rules: Mapping[str, Marked], calendar: Calendar) -> dict[str, list[str]]:
    """Return the days of the countries that have one of the holidays named."""
    names = {each.text() for each in rules["named"].sequence()}
    only = {each.text() for each in rules["countries"].sequence()} if "countries" in rules else None
    found = {
        country: [
            str(day)
            for day, of_day in holidays.items()
            if any(name.removesuffix(ESTIMATED) in names for name in of_day)
        ]
        for country, holidays in calendar.items()
        if only is None or country in only
    }
    if not any(found.values()):
        raise rules["named"].error("no country has a holiday of that name in these years")
    return {country: days for country, days in found.items() if days}


def _day_in(rule: Marked, year: int, own: Mapping[dt.date, list[str]]) -> dt.date:
    """Return the day of a year by a rule; `own` are the holidays of the rule's place."""
    text = rule.text()
    if before := BEFORE.fullmatch(text):
        for day, names in own.items():
            if day.year == year and before[2] in names:
                return day - dt.timedelta(days=int(before[1]))
        raise rule.error(f"there is no holiday {before[2]!r} in {year}")
    try:
        if fixed := FIXED.fullmatch(text):
            return dt.date(year, int(fixed[1]), int(fixed[2]))
        if nth := NTH.fullmatch(text):
            weeks = monthcalendar(year, int(nth[3]))
            days = [week[WEEKDAYS.index(nth[1])] for week in weeks]
            of_month = [day for day in days if day]
            return dt.date(year, int(nth[3]), of_month[-1 if nth[2] == "last" else int(nth[2]) - 1])
    except ValueError:
        pass
    raise rule.error(f"{text!r} is not a day such as 12-25 or `sunday 2 of 05`")


INDEX = "occasions.yaml"
OUR_TEXTS = Path(__file__).parents[1] / "texts" / "greetings"
HOLIDAYS = name_source(holidays.NAME, version(holidays.NAME), holidays.LICENCE)


def load_greetings(years: Iterable[int], folder: Path = OUR_TEXTS) -> BuildResult:
    """Build the kind `greetings` from a folder, by default the built-in one, with days of `years`.

    The index has `source`, `version`, `licence`, `author`, and `occasions`: name to the rules of
    `days_of`. Raises SourceError, with file and line, for a text of an occasion that the index
    lacks, for an occasion without an English name, and for a language that has texts for an
    occasion but no name for it.
    """
    wanted_years = sorted(set(years))
    head = {"author", "licence", "occasions", "source", "version"}
    index = read_yaml(folder / INDEX).members(head, ())
    occasions = index["occasions"].mapping()
    names: dict[str, dict[str, str]] = {occasion: {} for occasion in occasions}
    texts: list[Message] = []
    for message in read_messages(folder, except_file=INDEX):
        occasion, _, rest = message.key.partition("/")
        if occasion not in occasions or rest not in {"", "name"}:
            raise SourceError(f"{message.where}: {INDEX} has no occasion {message.key}.")
        if not rest:
            check_greeting(message.text, message.where)
            texts.append(message)
            continue
        check_words(message.text, message.where, 80)
        if names[occasion].setdefault(message.locale, message.text) != message.text:
            raise SourceError(f"{message.where}: {occasion} has another name already.")
    calendar = load_calendar(wanted_years)
    entries: dict[str, object] = {}
    for occasion, marked in sorted(occasions.items()):
        if OCCASION.fullmatch(occasion) is None:
            raise marked.error(f"{occasion!r} is not a name of small letters, digits and hyphens")
        if "en" not in names[occasion]:
            raise marked.error(f"{occasion} has no name in en")
        entries[f"occasion/{occasion}"] = {
            "days": days_of(marked, calendar, wanted_years),
            "name": dict(sorted(names[occasion].items())),
        }
    author, licence = (index[each].text() for each in ("author", "licence"))
    entries |= _number(texts, names, author, licence)
    counts = count_messages(texts)
    return BuildResult(
        dict(sorted(entries.items())),
        [
            name_source(index["source"].text(), index["version"].text(), licence),
            HOLIDAYS,
        ],
        notes=_count_segments(texts),
        completeness=Completeness({occasion: counts.get(occasion, {}) for occasion in occasions}),
    )


def _count_segments(texts: Iterable[Message]) -> tuple[str, ...]:
    """Return notes on the texts that need more than one SMS."""
    counts = Counter(count_segments(message.text) for message in texts)
    return tuple(
        f"Texts that take {segments} SMS: {counts[segments]}"
        for segments in sorted(counts.keys() - {1})
    )


def _number(
    texts: Iterable[Message], names: dict[str, dict[str, str]], author: str, licence: str
) -> dict[str, object]:
    """Return the entries of texts, numbered from 1 for each occasion and language."""
    entries: dict[str, object] = {}
    for message in texts:
        if message.locale not in names[message.key]:
            raise SourceError(f"{message.where}: {message.key} has no name in {message.locale}.")
        prefix, number = f"text/{message.locale}/{message.key}/", 1
        while f"{prefix}{number}" in entries:
            number += 1
        entries[f"{prefix}{number}"] = {
            "author": message.author or author,
            "licence": message.licence or licence,
            "text": message.text,
        }
    return entries
