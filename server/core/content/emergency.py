"""Entries of `emergency`: a country's emergency numbers.

Source: docs/FORMATS.md section 15.
"""

from typing import Annotated

import msgspec

from server.core.content.kinds import convert_entries, is_country
from server.core.content.part import Entries

Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,8}\Z")]


class Emergency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers as dialled; unless `exact`, longer numbers with this beginning count, too."""

    exact: bool
    numbers: Annotated[list[Number], msgspec.Meta(max_length=200)]

    def __post_init__(self) -> None:
        if self.numbers != sorted(set(self.numbers)):
            raise ValueError("the numbers are not ascending")


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of emergency numbers."""

    def check(key: str, _: Emergency) -> None:
        if not is_country(key):
            raise ValueError("the key is not a country")

    convert_entries(kind, entries, Emergency, check)
