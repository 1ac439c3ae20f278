"""Limits on what a new version of a role may sign that cannot be taken back (FORMATS section 16).

They are measured against the time at which the poll's timestamp was signed, or between neighbours
in the role, and never against what this phone happens to hold.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from client_sim.device.errors import LimitError, ProfileError
from client_sim.device.members import read_members
from client_sim.device.names import MAX_INTEGER, is_codename
from client_sim.device.parts import is_part

SKEW: Final = 86_400
"""Seconds by which a signed time may be ahead."""

PATCH_LEVEL_SKEW: Final = 62 * 86_400
"""Seconds by which a patch level may be ahead."""

COUNTER_STEP: Final = 1_000
"""By how much a counter may be above the one before it."""

_DAY: Final = 86_400
_MOST_DAYS: Final = 3_650
_ONLINE_DAYS: Final = 7
_LIFETIMES: Final = ("codenames", "content", "tables", "targets")
_LAST_DAY: Final = 253_402_214_400  # 9999-12-31


def signing_time(timestamp: Timestamp) -> int:
    """Return when a timestamp was signed, epoch seconds: a day before it expires."""
    return max(0, int(timestamp.expires.timestamp()) - _DAY)


def pointers_signing_time(role: Targets) -> int:
    """Return when `latest` or a part of it was signed, epoch seconds: a week before it expires."""
    return max(0, int(role.expires.timestamp()) - _ONLINE_DAYS * _DAY)


def read_lifetimes(root: Root) -> dict[str, int]:
    """Return for how many days a role may be valid, by kind; raises ProfileError."""
    stated = _member(root, "lifetimes", {})
    members = read_members("The lifetimes of root", ProfileError, stated)
    return {
        kind: members.integer(kind, 1, _MOST_DAYS) if kind in members.values else _MOST_DAYS
        for kind in _LIFETIMES
    }


def check_new_version(name: str, signed: Targets | Snapshot, root: Root, signed_at: int) -> None:
    """Check a version that the phone does not hold yet; raises LimitError.

    `signed_at` is the signing time of the timestamp that leads to it, epoch seconds.
    """
    if name in {"latest", "snapshot"} or is_part(name):
        days = _ONLINE_DAYS
    else:
        days = read_lifetimes(root)["codenames" if is_codename(name) else name]
    if signed.expires.timestamp() > signed_at + days * _DAY + SKEW:
        raise LimitError(f"The role {name} would be valid for more than {days} days.")
    if isinstance(signed, Targets) and is_codename(name):
        _check_releases(name, signed, signed_at)


def read_time(custom: object, name: str) -> int:
    """Return a time that a `custom` object states, epoch seconds; 0 where it states none."""
    return _read_integer(custom, name)


def _check_releases(name: str, role: Targets, signed_at: int) -> None:
    own = _read_own(name, role)
    customs = [target.unrecognized_fields.get("custom") for target in role.targets.values()]
    newest = max(
        [read_time(own, "floor_time"), *(read_time(custom, "post_timestamp") for custom in customs)]
    )
    if newest > signed_at + SKEW:
        raise LimitError(f"The role {name} states a time that is later than when it was signed.")
    level = _tell_day(signed_at + PATCH_LEVEL_SKEW)
    if any(_read_level(custom) > level for custom in customs):
        raise LimitError(f"The role {name} states a security patch level of the far future.")
    before = max(_read_integer(own, "floor") - 1, 0)
    for counter in sorted({_read_integer(custom, "counter") for custom in customs}):
        if counter - before > COUNTER_STEP:
            raise LimitError(
                f"The role {name} leaps from counter {before} to {counter}, which could not be"
                " taken back."
            )
        before = max(before, counter)


def _read_own(name: str, role: Targets) -> Mapping[str, object]:
    """Return the role's own `custom`, none where it has none; raises LimitError if malformed."""
    if "custom" not in role.unrecognized_fields:
        return {}
    what, custom = f"The role {name}", role.unrecognized_fields["custom"]
    members = read_members(what, LimitError, custom)
    members.schema("schema")
    members.integer("floor")
    if "floor_time" in members.values:
        members.integer("floor_time")
    return members.values


def _member(signed: Root | Targets, name: str, default: object) -> object:
    custom = signed.unrecognized_fields.get("custom")
    return custom.get(name, default) if isinstance(custom, Mapping) else default


def _read_integer(custom: object, name: str) -> int:
    value = custom.get(name) if isinstance(custom, Mapping) else None
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else 0


def _read_level(custom: object) -> str:
    value = custom.get("security_patch_level") if isinstance(custom, Mapping) else None
    return value if isinstance(value, str) else ""


def _tell_day(seconds: int) -> str:
    moment = dt.datetime.fromtimestamp(min(seconds, _LAST_DAY), dt.UTC)
    return f"{moment:%Y-%m-%d}"
