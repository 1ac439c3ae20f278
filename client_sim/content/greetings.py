"""Preset greetings: checks, and the selection for a locale and a day."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_sim.content.kinds import (
    COUNTRY,
    check_ascending,
    check_locale,
    read_day,
    read_licence,
    read_list,
    read_locales,
    read_map,
    read_match,
    read_object,
)
from client_sim.content.text import check_text, count_segments, find_country, list_wider, pick_text
from client_sim.device.errors import ContentError

_OCCASION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_PLACES_LIMIT: Final = 26 * 26 + 1
"""The number of possible places: two letters, or everywhere."""
_SEGMENTS: Final = 4
_EVERYWHERE: Final = "*"


@dataclass(frozen=True, slots=True)
class Greeting:
    """A text for an occasion; `is_today` is false for texts that fit on any day."""

    occasion: str
    name: str
    is_today: bool
    locale: str
    text: str
    author: str
    licence: str


def check_greetings(entries: Mapping[str, Any]) -> None:
    """Check the entries of a pack; raises ContentError."""
    for key, entry in entries.items():
        head, *rest = key.split("/")
        if head == "occasion" and len(rest) == 1:
            read_match("An occasion", rest[0], _OCCASION)
            _check_occasion(entry)
        elif head == "text" and len(rest) == 3:
            check_locale(rest[0])
            read_match("The number of a greeting", rest[2], _NUMBER)
            if f"occasion/{rest[1]}" not in entries:
                raise ContentError("A greeting is for an occasion that is not there.")
            _check_greeting(entry)
        else:
            raise ContentError("An entry is neither an occasion nor a text for one.")


def list_greetings(entries: Mapping[str, Any], locale: str, day: dt.date) -> list[Greeting]:
    """Return greetings for a day in a locale, those for the day before those for any day.

    If an occasion has no text in the locale, the next wider locale is used, and English last.
    """
    occasions = {
        key.removeprefix("occasion/"): entry
        for key, entry in entries.items()
        if key.startswith("occasion/")
    }
    texts: dict[tuple[str, str], list[tuple[int, Any]]] = {}
    for key, entry in entries.items():
        if key.startswith("text/"):
            _, language, occasion, number = key.split("/")
            texts.setdefault((occasion, language), []).append((int(number), entry))
    found = []
    for occasion, entry in sorted(occasions.items()):
        is_today = _is_on(entry["days"], find_country(locale), day)
        if entry["days"] and not is_today:
            continue
        for language in list_wider(locale):
            own = sorted(texts.get((occasion, language), ()), key=lambda pair: pair[0])
            found += [
                Greeting(
                    occasion=occasion,
                    name=pick_text(entry["name"], locale),
                    is_today=is_today,
                    locale=language,
                    text=text["text"],
                    author=text["author"],
                    licence=text["licence"],
                )
                for _, text in own
            ]
            if own:
                break
    return sorted(found, key=lambda greeting: not greeting.is_today)


def _is_on(days: Mapping[str, list[str]], country: str | None, day: dt.date) -> bool:
    """Tell whether an occasion is on a day in a country; the country's own days take precedence."""
    place = country if country in days else _EVERYWHERE
    return day.isoformat() in days.get(place or _EVERYWHERE, ())


def _check_occasion(value: object) -> None:
    occasion = read_object("An occasion", value, ("days", "name"))
    read_locales("The name of an occasion", occasion["name"], 80)
    places = read_map("The days of an occasion", occasion["days"], 0, _PLACES_LIMIT)
    for place, value_days in places.items():
        if place != _EVERYWHERE:
            read_match("The place of an occasion", place, COUNTRY)
        days = read_list("The days of an occasion", value_days, 0, 64)
        check_ascending("The days of an occasion", [read_day("A day", day) for day in days])


def _check_greeting(value: object) -> None:
    greeting = read_object("A greeting", value, ("author", "licence", "text"))
    check_text(greeting["author"], 80)
    read_licence(greeting["licence"])
    if count_segments(check_text(greeting["text"], 500, is_long=True)) > _SEGMENTS:
        raise ContentError(f"A greeting takes more than {_SEGMENTS} SMS.")
