"""Limits on irreversible changes by a role, and resets that undo them (FORMATS section 16)."""

import datetime as dt
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import Root, Snapshot, Targets

from client_sim.content.kinds import ROLES
from client_sim.content.store import Store
from client_sim.device.errors import LimitError, ProfileError
from client_sim.device.pointer import is_part
from client_sim.device.records import (
    load_agreed,
    load_failed,
    load_floor,
    store_failed,
)
from client_sim.device.release import MAX_INTEGER, is_codename, read_members
from client_sim.device.signed_time import ONLINE_DAYS, lower_clock, newest_time, read_number

SKEW: Final = 86_400
"""Seconds by which a signed time may be ahead."""

PATCH_LEVEL_SKEW: Final = 62 * 86_400
"""Seconds by which a patch level may be ahead."""

COUNTER_STEP: Final = 1_000
"""Maximum difference between a counter and the previous one."""

_DAY: Final = 86_400
_MOST_DAYS: Final = 3_650
_LIFETIMES: Final = ("codenames", "content", "tables", "targets")
_LAST_DAY: Final = 253_402_214_400  # 9999-12-31


def read_lifetimes(root: Root) -> dict[str, int]:
    """Return the maximum validity in days of each kind of role; raises ProfileError."""
    stated = _member(root, "lifetimes", {})
    members = read_members("The lifetimes of root", ProfileError, stated)
    return {
        kind: members.integer(kind, 1, _MOST_DAYS) if kind in members.values else _MOST_DAYS
        for kind in _LIFETIMES
    }


def check_new_version(name: str, signed: Targets | Snapshot, root: Root, signed_at: int) -> None:
    """Check a version that the phone does not have yet; raises LimitError.

    `signed_at` is the signing time of the timestamp that leads to it, epoch seconds.
    """
    if name in {"latest", "snapshot"} or is_part(name):
        days = ONLINE_DAYS
    else:
        days = read_lifetimes(root)["codenames" if is_codename(name) else name]
    if signed.expires.timestamp() > signed_at + days * _DAY + SKEW:
        raise LimitError(f"The role {name} would be valid for more than {days} days.")
    if isinstance(signed, Targets) and is_codename(name):
        _check_releases(name, signed, signed_at)


def _check_releases(name: str, role: Targets, signed_at: int) -> None:
    own = _read_own(name, role)
    customs = [target.unrecognized_fields.get("custom") for target in role.targets.values()]
    if newest_time(role) > signed_at + SKEW:
        raise LimitError(f"The role {name} states a time that is later than when it was signed.")
    latest = dt.datetime.fromtimestamp(min(signed_at + PATCH_LEVEL_SKEW, _LAST_DAY), dt.UTC)
    last_day = f"{latest:%Y-%m-%d}"
    if any(_read_level(custom) > last_day for custom in customs):
        raise LimitError(f"The role {name} states a security patch level far in the future.")
    before = max(read_number(own, "floor") - 1, 0)
    for counter in sorted({read_number(custom, "counter") for custom in customs}):
        if counter - before > COUNTER_STEP:
            raise LimitError(
                f"The role {name} jumps from counter {before} to {counter}, which could not be"
                " undone."
            )
        before = max(before, counter)


def _read_own(name: str, role: Targets) -> Mapping[str, object]:
    """Return the role's own `custom`, empty if it has none; raises LimitError if malformed."""
    if "custom" not in role.unrecognized_fields:
        return {}
    subject, custom = f"The role {name}", role.unrecognized_fields["custom"]
    members = read_members(subject, LimitError, custom)
    members.schema("schema")
    members.integer("floor")
    if "floor_time" in members.values:
        members.integer("floor_time")
    return members.values


def _member(signed: Root | Targets, name: str, default: object) -> object:
    custom = signed.unrecognized_fields.get("custom")
    return custom.get(name, default) if isinstance(custom, Mapping) else default


def _read_level(custom: object) -> str:
    value = custom.get("security_patch_level") if isinstance(custom, Mapping) else None
    return value if isinstance(value, str) else ""


State = MutableMapping[str, bytes]

_MODEL: Final = "reset"
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,15})(?: (0|[1-9][0-9]{0,15}) (0|[1-9][0-9]{0,15}))?")


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset: its number, and for a model the highest counter and newest time that stay valid.

    Both are 0 for `tables` and `content`. `time` is in epoch seconds.
    """

    number: int
    counter: int = 0
    time: int = 0


def read_resets(root: Root) -> dict[str, Reset]:
    """Return the newest reset of each role that root resets; raises ProfileError."""
    stated = _member(root, "resets", {})
    resets = {}
    for name, value in read_members("The list of resets", ProfileError, stated).values.items():
        members = read_members("A reset", ProfileError, value)
        number = members.integer("number", 1)
        if is_codename(name):
            resets[name] = Reset(number, members.integer("counter"), members.integer("time"))
        elif name in ROLES and not {"counter", "time"} & members.values.keys():
            resets[name] = Reset(number)
        else:
            raise ProfileError("The root resets a role that cannot be reset.")
    return resets


def check_next_resets(old: Root, new: Root) -> None:
    """Check that each reset is unchanged or has the next number; raises ProfileError."""
    before, after = read_resets(old), read_resets(new)
    for name in before.keys() | after.keys():
        was, reset = before.get(name, Reset(0)), after.get(name, Reset(0))
        if reset != was and reset.number != was.number + 1:
            raise ProfileError(f"The new root does not continue the resets of {name}.")


def check_followed(name: str, role: Targets, root: Root) -> None:
    """Check that a role follows its newest reset in root; raises ProfileError."""
    reset = read_resets(root).get(name, Reset(0))
    number = _member(role, "reset", 0)
    if type(number) is not int or number != reset.number:
        raise ProfileError(f"The role {name} does not follow reset {reset.number} of the root.")


def apply_resets(state: State, root: Root, codename: str) -> None:
    """Apply the resets of a verified root that this phone has not applied yet.

    Resets in the root of its image count, too, because the image may be newer than the state; on a
    new phone they lower nothing. Raises StateError.
    """
    for name, reset in read_resets(root).items():
        record = _MODEL if name == codename else f"{_MODEL}.{name}"
        applied = _load(state, record) or Reset(0)
        if reset.number <= applied.number:
            continue
        if name == codename:
            _lower(state, reset)
            state[record] = b"%d %d %d" % (reset.number, reset.counter, reset.time)
        elif name in ROLES:
            Store(state).discard(name)
            state[record] = b"%d" % reset.number


def load_counter(state: State, counter: int, post_timestamp: int) -> int:
    """Return the effective counter of a build on this phone: a reset may have lowered it.

    A build newer than the reset keeps its counter, which was signed after the reset.
    """
    reset = _load(state, _MODEL)
    if reset is None or post_timestamp > reset.time:
        return counter
    return min(counter, reset.counter)


def _lower(state: State, reset: Reset) -> None:
    lower_clock(state, reset.time)
    if load_floor(state) > reset.counter:
        state["floor"] = b"%d" % reset.counter
    # Counters above the reset's will be reused for other builds.
    failed = load_failed(state)
    if any(counter > reset.counter for counter in failed):
        store_failed(state, (counter for counter in failed if counter <= reset.counter))
    if (load_agreed(state) or 0) > reset.counter:
        state.pop("agreed")


def _load(state: State, record: str) -> Reset | None:
    """Return the last applied reset, or None if there is no readable record."""
    found = _RECORD.fullmatch(state.get(record, b""))
    if found is None:
        return None
    number, counter, time = (min(int(digits or 0), MAX_INTEGER) for digits in found.groups())
    return Reset(number, counter, time)
