"""Emergency numbers of countries: their schema, and whether a number is one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_sim.content.shape import (
    COUNTRY,
    check_ascending,
    read_boolean,
    read_list,
    read_match,
    read_object,
)
from client_sim.device.errors import ContentError

_NUMBER: Final = re.compile(r"[0-9]{2,8}")


@dataclass(frozen=True, slots=True)
class EmergencyNumbers:
    """The numbers of a country; unless `exact`, what begins with one is an emergency call, too."""

    numbers: tuple[str, ...]
    exact: bool

    def is_emergency(self, dialled: str) -> bool:
        """Answer whether dialling this calls for help."""
        if self.exact:
            return dialled in self.numbers
        return dialled.startswith(self.numbers)


def check_emergency(entries: Mapping[str, Any]) -> None:
    """Check the entries of a pack; raises ContentError."""
    for key, entry in entries.items():
        read_match("A country", key, COUNTRY)
        country = read_object("A country's emergency numbers", entry, ("exact", "numbers"))
        read_boolean("Whether emergency numbers are exact", country["exact"])
        numbers = [
            read_match("An emergency number", number, _NUMBER)
            for number in read_list("A country's emergency numbers", country["numbers"], 0, 200)
        ]
        check_ascending("A country's emergency numbers", numbers)


def find_emergency(entries: Mapping[str, Any], country: str) -> EmergencyNumbers:
    """Return a country's numbers; raises ContentError if the pack has none of it."""
    entry = entries.get(country)
    if entry is None:
        raise ContentError(f"The pack has no emergency numbers of {country}.")
    return EmergencyNumbers(tuple(entry["numbers"]), entry["exact"])
