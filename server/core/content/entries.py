"""Whether the entries of a pack are what its kind allows, one by one and together.

Source: docs/FORMATS.md section 15.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from server.core.content import (
    apn,
    ca,
    emergency,
    greetings,
    holidays,
    news,
    themes,
    wallpapers,
    zones,
)
from server.core.content.part import Entries, check_key
from server.core.errors import FormatError

_CHECKS: Mapping[str, Callable[[str, Entries], None]] = MappingProxyType(
    {
        "apn": apn.check_entries,
        "ca": ca.check_entries,
        "emergency": emergency.check_entries,
        "greetings": greetings.check_entries,
        "holidays": holidays.check_entries,
        "themes": themes.check_entries,
        "wallpapers": wallpapers.check_entries,
        "zones": zones.check_entries,
    }
)


def check_entries(kind: str, entries: Entries, hosts: Collection[str]) -> None:
    """Raise FormatError, naming kind, key and rule, unless `entries` are a whole pack of `kind`.

    `hosts` are those to which links may lead.
    """
    for key in entries:
        check_key(key)
    if kind in {"features", "notices"}:
        news.check_entries(kind, entries, hosts)
    elif kind in _CHECKS:
        _CHECKS[kind](kind, entries)
    else:
        raise FormatError(f"{kind[:40]!r} is no kind of pack.")
