"""Describes pack entries in words, for the people who sign them."""

import base64
import hashlib
import io
import json
import struct
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from server.core.content.zones import EMPTY_BLOCK, check_tzif
from server.core.errors import FormatError


def name_members(value: object, name: str = "") -> dict[str, str]:
    """Return the plain values inside `value` by their paths, such as `title en`.

    A list of plain values is one text, `110, 112`; elements of other lists are numbered from 1.
    """
    if isinstance(value, dict) and value:
        parts: list[tuple[str, object]] = [(str(key), value[key]) for key in sorted(value)]
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        parts = [(str(number), each) for number, each in enumerate(value, start=1)]
    else:
        return {name or "value": show_plain(value)}
    names: dict[str, str] = {}
    for key, part in parts:
        names |= name_members(part, f"{name} {key}".strip())
    return names


def show_plain(value: object) -> str:
    """Return a text unchanged, a list of plain values with commas, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return ", ".join(show_plain(each) for each in value)
    return json.dumps(value, ensure_ascii=False)


def name_access_points(entry: dict[str, Any]) -> dict[str, str]:
    """Return the members of all access points, such as `Telkomsel, internet: types`.

    Access points of one carrier and name are numbered. `order` is the order in which phones offer
    them.
    """
    names: dict[str, str] = {}
    order: list[str] = []
    for point in entry["apns"]:
        name = f"{point['carrier']}, {point['apn']}"
        title, number = name, 1
        while title in order:
            number += 1
            title = f"{name} ({number})"
        order.append(title)
        for member in sorted(point.keys() - {"carrier"}):
            names[f"{title}: {member}"] = show_plain(point[member])
    return names | ({"order": json.dumps(order, ensure_ascii=False)} if len(order) > 1 else {})


def name_certificate(entry: dict[str, Any]) -> dict[str, str]:
    """Return name, subject, issuer, validity and sha256 of the DER.

    Raises ValueError if the certificate is malformed.
    """
    der = base64.b64decode(entry["der"], validate=True)
    with warnings.catch_warnings():
        # Some widely used roots have the serial number 0, which RFC 5280 forbids.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            certificate = x509.load_der_x509_certificate(der)
        except x509.InvalidVersion as error:
            raise ValueError(str(error)) from error
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return {
            "name": str(entry["name"]),
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "valid": f"from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC",
            "sha256": hashlib.sha256(der).hexdigest(),
        }


_HEADER = struct.Struct(">4sc15x6I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 3, tzinfo=UTC)
_LAST = datetime(9999, 12, 29, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Zone:
    """A usable zone, the instants at which it changes, and its rule for later years."""

    zone: ZoneInfo
    instants: tuple[datetime, ...]
    rule: str
    sha256: str

    def show(self, instant: datetime) -> str:
        """Return offset and abbreviation at an instant, such as `+07:00 WIB`."""
        local = instant.astimezone(self.zone)
        offset = str(local.isoformat())[len(local.replace(tzinfo=None).isoformat()) :]
        return f"{offset} {local.tzname()}"


def name_zone(entry: dict[str, Any]) -> dict[str, str]:
    """Return a zone's link or its times; raises ValueError or FormatError if it is malformed."""
    if "link" in entry:
        return {"link": str(entry["link"])}
    zone = _decode(entry)
    at = "no change" if not zone.instants else f"{len(zone.instants)} changes"
    last = [f"from {_moment(each)} on {zone.show(each)}" for each in zone.instants[-1:]]
    return {
        "times": ", ".join((f"{zone.show(_FIRST)} at first", at, *last)),
        "rule for later years": zone.rule,
        "sha256": zone.sha256,
    }


def compare_zones(
    old: dict[str, Any], new: dict[str, Any]
) -> list[tuple[str, str | None, str | None]]:
    """Return name, old and new value of each difference between two zones with times.

    Of differing instants, the first is named and all are counted.
    """
    before, after = _decode(old), _decode(new)
    instants = [_FIRST, *sorted({*before.instants, *after.instants})]
    differing = [each for each in instants if before.show(each) != after.show(each)]
    found: list[tuple[str, str | None, str | None]] = []
    if differing:
        first = differing[0]
        name = "at first" if first == _FIRST else f"from {_moment(first)} on"
        found.append((name, before.show(first), after.show(first)))
        count = f"{len(differing)} of {len(instants)}, the last from {_moment(differing[-1])} on"
        found.append(("times that differ", None, count))
    for name in ("rule", "sha256"):
        values = getattr(before, name), getattr(after, name)
        if values[0] != values[1]:
            found.append(("rule for later years" if name == "rule" else name, *values))
    return found


def _decode(entry: dict[str, Any]) -> _Zone:
    data = base64.b64decode(entry["tzif"], validate=True)
    check_tzif(data)
    at = _HEADER.size - 24 + len(EMPTY_BLOCK)  # the second header follows the block of version 1
    count = _HEADER.unpack_from(data, at)[5]
    seconds = struct.unpack_from(f">{count}q", data, at + _HEADER.size)
    limits = [int((each - _EPOCH).total_seconds()) for each in (_FIRST, _LAST)]
    return _Zone(
        zone=ZoneInfo.from_file(io.BytesIO(data)),
        instants=tuple(
            _EPOCH + timedelta(seconds=each) for each in seconds if limits[0] < each < limits[1]
        ),
        rule=data[:-1].rpartition(b"\n")[2].decode(),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _moment(instant: datetime) -> str:
    return f"{instant.replace(tzinfo=None).isoformat(' ')} UTC"


Words = tuple[str, str | None, str | None]
"""A member's name, its old and its new value; None where it is absent."""

# Errors that an entry can raise if it breaks the rules of its kind.
_MALFORMED = (AttributeError, FormatError, KeyError, OverflowError, TypeError, ValueError)


def compare_entries(kind: str, old: object, new: object) -> list[Words]:
    """Return the differences between two entries of a kind, member by member.

    None stands for an absent entry. An entry that breaks the rules of its kind is shown unchanged,
    so this never raises. Two entries that differ always yield at least one difference.
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
    # Values that look alike in words, such as a value and a list of only that value, differ in
    # JSON.
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
