"""Which texts are there in which languages."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Completeness:
    """How many texts there are of each key in each locale.

    `counts` maps a key, such as an occasion or the id of a notice, to locales and numbers; a locale
    that lacks the key is absent.
    """

    counts: Mapping[str, Mapping[str, int]]

    @property
    def locales(self) -> list[str]:
        """All locales that have a text of any key, ascending."""
        return sorted({locale for each in self.counts.values() for locale in each})

    def find_missing(self) -> dict[str, list[str]]:
        """Return the keys that a locale lacks, ascending, for each locale that lacks one."""
        missing = {
            locale: [key for key in sorted(self.counts) if not self.counts[key].get(locale)]
            for locale in self.locales
        }
        return {locale: keys for locale, keys in missing.items() if keys}

    def rows(self) -> list[list[str]]:
        """Return a table for people: a head with the locales, then a row for each key."""
        locales = self.locales
        body = [
            [key, *(str(self.counts[key].get(locale) or "-") for locale in locales)]
            for key in sorted(self.counts)
        ]
        return [["", *locales], *body]
