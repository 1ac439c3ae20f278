"""Entries of `apn`, `holidays` and `emergency`, by country.

`apn` has access points of a network or a country, `holidays` the holidays of a year, and
`emergency` emergency numbers.

Source: docs/FORMATS.md section 15.
"""

import re
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from server.core.content.kinds import convert_entries, is_country
from server.core.content.part import Entries
from server.core.content.text import Localized, Text, check_localized, check_name
from server.core.release import Day, check_day

_YEAR_KEY = re.compile(r"[A-Z]{2}-([0-9]{4})")
MAX_CARRIER = 100  # characters
MAX_WORD, MAX_ADDRESS = 100, 200  # bytes
Ascii = Annotated[str, msgspec.Meta(pattern=r"^[ -~]*\Z", max_length=MAX_WORD)]
Address = Annotated[str, msgspec.Meta(pattern=r"^[ -~]*\Z", max_length=MAX_ADDRESS)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Unset = msgspec.UnsetType
Type = Literal[
    "default", "mms", "supl", "dun", "hipri", "fota", "ims", "cbs", "ia", "emergency", "xcap"
]
Protocol = Literal["IP", "IPV6", "IPV4V6"]
NETWORK = re.compile(r"[0-9]{3}-[0-9]{2,3}")
Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,8}\Z")]


class Holidays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days with their names by locale, ascending."""

    days: Annotated[list[tuple[Day, Localized]], msgspec.Meta(max_length=200)]

    def __post_init__(self) -> None:
        for day, names in self.days:
            check_day(day)
            check_localized(names, 120)
        if any(first >= second for (first, _), (second, _) in pairwise(self.days)):
            raise ValueError("the days are not ascending")


def check_holidays(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of holidays."""

    def check(key: str, holidays: Holidays) -> None:
        found = _YEAR_KEY.fullmatch(key)
        if found is None:
            raise ValueError("the key is not of the form COUNTRY-YEAR")
        if not all(day.startswith(found[1]) for day, _ in holidays.days):
            raise ValueError(f"a day is not in {found[1]}")

    convert_entries(kind, entries, Holidays, check)


class Emergency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Emergency numbers as dialled; unless `exact`, longer numbers that begin so count, too."""

    exact: bool
    numbers: Annotated[list[Number], msgspec.Meta(max_length=200)]

    def __post_init__(self) -> None:
        if self.numbers != sorted(set(self.numbers)):
            raise ValueError("the numbers are not ascending")


def check_emergency(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of emergency numbers."""

    def check(key: str, _: Emergency) -> None:
        if not is_country(key):
            raise ValueError("the key is not a country")

    convert_entries(kind, entries, Emergency, check)


class Apn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One access point, in the members of Android's `apns-conf.xml`."""

    apn: Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,100}\Z")]
    carrier: Text
    types: Annotated[list[Type], msgspec.Meta(min_length=1, max_length=16)]
    auth: Literal["none", "pap", "chap", "pap-chap"] | Unset = msgspec.UNSET
    mmsc: Address | Unset = msgspec.UNSET
    mmsport: Port | Unset = msgspec.UNSET
    mmsproxy: Ascii | Unset = msgspec.UNSET
    password: Ascii | Unset = msgspec.UNSET
    port: Port | Unset = msgspec.UNSET
    protocol: Protocol | Unset = msgspec.UNSET
    proxy: Ascii | Unset = msgspec.UNSET
    user: Ascii | Unset = msgspec.UNSET

    def __post_init__(self) -> None:
        check_name(self.carrier, MAX_CARRIER)
        if self.types != sorted(set(self.types)):
            raise ValueError("the types are not ascending")


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The access points of one network."""

    apns: Annotated[list[Apn], msgspec.Meta(min_length=1, max_length=200)]


def check_apns(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of access points."""

    def check(key: str, _: Network) -> None:
        if NETWORK.fullmatch(key) is None and not is_country(key):
            raise ValueError("the key is neither MCC-MNC nor a country")

    convert_entries(kind, entries, Network, check)
