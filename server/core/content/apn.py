"""Entries of `apn`: the access points of a network, or of a country.

Source: docs/FORMATS.md section 15.
"""

import re
from typing import Annotated, Literal

import msgspec

from server.core.content.kinds import convert_entries, is_country
from server.core.content.part import Entries
from server.core.content.text import Text, check_name

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


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of access points."""

    def check(key: str, _: Network) -> None:
        if NETWORK.fullmatch(key) is None and not is_country(key):
            raise ValueError("the key is neither MCC-MNC nor a country")

    convert_entries(kind, entries, Network, check)
