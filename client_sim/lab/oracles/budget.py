"""How many values each field of a request may take, as docs/PRIVACY.md declares it.

This is this package's own copy: a test compares it with the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

NOBODY_DECLARED: Final[Mapping[str, int]] = MappingProxyType({"parts": 1})
"""Sizes of the named alphabets where none is declared: `latest` is not split."""


@dataclass(frozen=True, slots=True)
class Budget:
    """One row: a field, of what it is one, and how many values it has in one trust state.

    `size` is a number, or the name of an alphabet: `parts`, `models`, `packages`, `pictures` or
    `blocks`.
    """

    field: str
    of: str
    size: str

    def most(self, sizes: Mapping[str, int]) -> int | None:
        """Return the number of values, or None for an alphabet without a known size."""
        return int(self.size) if self.size.isdigit() else sizes.get(self.size)


BUDGETS: Final = (
    Budget("names", "poll", "1"),
    Budget("connections", "poll", "1"),
    Budget("requests", "poll", "1"),
    Budget("address", "connection", "1"),
    Budget("port and TLS name", "connection", "1"),
    Budget("TLS parameters", "connection", "1"),
    Budget("pieces", "connection", "1"),
    Budget("close", "connection", "1"),
    Budget("repeats", "life", "1"),
    Budget("due time", "poll", "1"),
    Budget("method", "request", "1"),
    Budget("path", "request", "1"),
    Budget("path", "part", "parts"),
    Budget("path", "codename", "models"),
    Budget("path", "package", "packages"),
    Budget("path", "picture", "pictures"),
    Budget("version", "request", "1"),
    Budget("header names", "request", "1"),
    Budget("header Host value", "request", "1"),
    Budget("header Accept-Encoding value", "request", "1"),
    Budget("header Range value", "package", "blocks"),
)
"""The rows of the table; a field that has none may not be there at all."""


def find_budget(field: str, of: str) -> Budget:
    """Return the row of a field, that of the kind of request before that of any request."""
    rows = {(row.field, row.of): row for row in BUDGETS}
    found = rows.get((field, of)) or rows.get((field, "request"))
    return Budget(field, of, "0") if found is None else found
