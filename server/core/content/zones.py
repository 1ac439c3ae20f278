"""Entries of `zones`: time zones in TZif, or links to them.

Source: docs/FORMATS.md section 15.
"""

import re
from typing import Annotated

import msgspec

from server.core.content.entry import convert_entries, entry_error
from server.core.content.part import Entries
from server.core.content.tzif import check_tzif
from server.core.encodings import decode_base64

_LIMIT = 65_536
_NAME = re.compile(r"(?!.*\.\.?(?:/|\Z))[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)*")


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either `tzif`, in base64, or the name of the zone that this is another name of."""

    tzif: Annotated[str, msgspec.Meta(max_length=4 * (_LIMIT // 3 + 1))] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    link: str | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if (self.tzif is msgspec.UNSET) == (self.link is msgspec.UNSET):
            raise ValueError("there is not exactly one of tzif and link")


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of time zones."""
    zones = convert_entries(kind, entries, Zone, _check_zone)
    for key, zone in zones.items():
        if zone.link is not msgspec.UNSET and (
            zone.link not in zones or zones[zone.link].tzif is msgspec.UNSET
        ):
            raise entry_error(kind, key, f"it links to {zone.link[:64]!r}, which has no tzif")


def _check_zone(key: str, zone: Zone) -> None:
    if _NAME.fullmatch(key) is None:
        raise ValueError("the key is not the name of a time zone")
    if zone.tzif is not msgspec.UNSET:
        data = decode_base64(zone.tzif)
        if len(data) > _LIMIT:
            raise ValueError(f"the zone has more than {_LIMIT} octets")
        check_tzif(data)
