"""An entry of any kind in words, and what differs between two."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from server.core.errors import FormatError
from signer.content.wording.access_points import name_access_points
from signer.content.wording.certificate import name_certificate
from signer.content.wording.members import name_members
from signer.content.wording.zone import compare_zones, name_zone

Words = tuple[str, str | None, str | None]
"""A member's name, its value before and after; None where it was not, or is not any more."""

# What can go wrong with an entry that breaks the rules of its kind.
_MALFORMED = (AttributeError, FormatError, KeyError, OverflowError, TypeError, ValueError)


def compare_entries(kind: str, old: object, new: object) -> list[Words]:
    """Return what differs between two entries of a kind, member by member.

    None stands for an entry that is not there. One that breaks the rules of its kind is shown as it
    stands, so this raises nothing; and two that differ never differ in nothing.
    """
    if kind == "zones" and isinstance(old, dict) and isinstance(new, dict):
        with suppress(*_MALFORMED):
            return compare_zones(old, new)
    before, after = _name(kind, old), _name(kind, new)
    names = [*before, *(name for name in after if name not in before)]
    found: list[Words] = [
        (name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]
    # What looks alike in words, such as a value and a list of it alone, does not in JSON.
    return found or [("entry", _show_json(old), _show_json(new))]


def _show_json(entry: object) -> str:
    return json.dumps(entry, ensure_ascii=False, sort_keys=True)


def _name(kind: str, entry: object) -> dict[str, str]:
    if entry is None:
        return {}
    try:
        return _NAMERS.get(kind, name_members)(entry)
    except _MALFORMED:
        return name_members(entry)


def _name_days(entry: dict[str, Any]) -> dict[str, str]:
    return name_members(dict(entry["days"]))


_NAMERS: Mapping[str, Callable[[Any], dict[str, str]]] = MappingProxyType(
    {
        "apn": name_access_points,
        "ca": name_certificate,
        "holidays": _name_days,
        "zones": name_zone,
    }
)
