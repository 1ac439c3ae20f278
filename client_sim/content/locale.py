"""Chooses a text in the owner's language: on the phone, long after everything was fetched."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

_COUNTRY: Final = re.compile(r"[A-Z]{2}")


def list_wider(locale: str) -> Iterator[str]:
    """Yield a locale, then without its last subtag, and so on, and English last."""
    while locale:
        yield locale
        locale = locale.rpartition("-")[0]
    yield "en"


def pick_text(texts: Mapping[str, str], locale: str) -> str:
    """Return the text in the nearest language, in whatever there is where there is none near."""
    for wider in list_wider(locale):
        if wider in texts:
            return texts[wider]
    return texts[min(texts)]


def find_country(locale: str) -> str | None:
    """Return the country in a locale, such as `ID` of `id-ID`, or None."""
    subtags = locale.split("-")[1:]
    return next((tag for tag in subtags if _COUNTRY.fullmatch(tag)), None)
