"""On which days an occasion is, and where: from the package holidays, or from a rule."""

import datetime as dt
import re
from calendar import monthcalendar
from collections.abc import Iterable, Mapping

from holidays import list_supported_countries

from signer.content.sources.holidays import english_days
from signer.content.sources.marked import Marked

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIXED = re.compile(r"(\d\d)-(\d\d)")
NTH = re.compile(rf"({'|'.join(WEEKDAYS)}) ([1-4]|last) of (\d\d)")
BEFORE = re.compile(r"(\d{1,2}) days before (\S.*)")
#: A day that depends on who sees the moon is a good day for a greeting all the same.
ESTIMATED = " (estimated)"

Calendar = Mapping[str, Mapping[dt.date, list[str]]]


def load_calendar(years: Iterable[int]) -> Calendar:
    """Return the English names of all countries' holidays, by country and day."""
    wanted = sorted(set(years))
    return {
        country: {
            day: names
            for year in wanted
            for day, names in sorted(english_days(country, year).items())
        }
        for country in sorted(list_supported_countries(include_aliases=False))
    }


def days_of(marked: Marked, calendar: Calendar, years: Iterable[int]) -> dict[str, list[str]]:
    """Return the days of an occasion by place, from its rules, all of them optional.

    `named` lists holidays as the package calls them in English: a country that has one has the
    occasion on that day. `countries` are the only ones that are looked at. `like` gives a place the
    days of a country that has one, `on` days by a rule: `12-25`, or `sunday 2 of 05` and `sunday
    last of 05`, or `22 days before Easter Monday` by a holiday of that country; the place `*` is
    everywhere else. `without` are places that have no such day.
    Without any rule the occasion is on any day. SourceError for a rule that says nothing.
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
            found[place] = [str(_day_in(rule, year, own)) for year in sorted(set(years))]
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
    raise rule.error(f"{text!r} is no day such as 12-25 or `sunday 2 of 05`")
