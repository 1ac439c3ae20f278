"""Reads the members of `custom` objects one by one, each with its type and range.

Unknown members are kept by being left alone. `True` is no integer here, and 1.0 is none either.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from client_sim.device.errors import DeviceError
from client_sim.device.names import LOCALE, LOCALE_LIMIT, MAX_INTEGER, PRINTABLE

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FINGERPRINT_LIMIT: Final = 128


@dataclass(frozen=True, slots=True)
class Members:
    """An object of unknown content; every method raises `error` with the name of the object."""

    what: str
    error: type[DeviceError]
    values: Mapping[str, object]

    def fail(self, name: str) -> DeviceError:
        """Return the error that says that a member is missing or wrong."""
        return self.error(f"{self.what} has no valid member {name!r}, so it is not used.")

    def schema(self, name: str) -> None:
        """Check that the schema is 1."""
        value = self.values.get(name)
        if type(value) is not int:
            raise self.fail(name)
        if value != 1:
            raise self.error(
                f"{self.what} has schema {str(value)[:20]}, which this phone does not know."
            )

    def integer(self, name: str, lowest: int = 0, highest: int = MAX_INTEGER) -> int:
        """Return an integer from `lowest` to `highest`."""
        value = self.values.get(name)
        if type(value) is not int or not lowest <= value <= highest:
            raise self.fail(name)
        return value

    def boolean(self, name: str) -> bool:
        """Return a boolean."""
        value = self.values.get(name)
        if type(value) is not bool:
            raise self.fail(name)
        return value

    def text(self, name: str, limit: int) -> str:
        """Return text of 1 to `limit` characters."""
        value = self.values.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= limit:
            raise self.fail(name)
        return value

    def word(self, name: str, limit: int) -> str:
        """Return 1 to `limit` printable ASCII characters without space."""
        return self._check_word(name, self.values.get(name), limit)

    def date(self, name: str) -> str:
        """Return a valid day `YYYY-MM-DD`."""
        value = self.values.get(name)
        if not isinstance(value, str) or not _DATE.fullmatch(value) or not _is_day(value):
            raise self.fail(name)
        return value

    def items(self, name: str, fewest: int, most: int) -> list[object]:
        """Return a list of `fewest` to `most` items."""
        value = self.values.get(name)
        if not isinstance(value, list) or not fewest <= len(value) <= most:
            raise self.fail(name)
        return value

    def fingerprints(self, name: str, most: int) -> tuple[str, ...]:
        """Return a list of at most `most` fingerprints."""
        return tuple(
            self._check_word(name, item, _FINGERPRINT_LIMIT) for item in self.items(name, 0, most)
        )

    def locales(self, name: str, limit: int) -> dict[str, str]:
        """Return an object locale → text: at most 64, each of at most `limit` characters."""
        value = self.values.get(name)
        if not isinstance(value, dict) or len(value) > 64:
            raise self.fail(name)
        for locale, text in value.items():
            if (
                len(locale) > LOCALE_LIMIT
                or not LOCALE.fullmatch(locale)
                or not isinstance(text, str)
                or len(text) > limit
            ):
                raise self.fail(name)
        return dict(value)

    def _check_word(self, name: str, value: object, limit: int) -> str:
        if not isinstance(value, str) or len(value) > limit or not PRINTABLE.fullmatch(value):
            raise self.fail(name)
        return value


def read_members(what: str, error: type[DeviceError], value: object) -> Members:
    """Return the members of `value`; raises `error` if it is no JSON object."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise error(f"{what} is no JSON object, so it is not used.")
    return Members(what, error, value)


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True
