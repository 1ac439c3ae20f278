"""Resets: how root takes back what a thief pushed ahead on this phone (FORMATS section 16).

reset           of the phone's model: `NUMBER COUNTER TIME`, decimal, the newest that was applied
reset.ROLE      of `tables` or `content`: the number

A reset is applied once. What it lowers is lowered before its number is stored, so that a phone that
dies in between does it again.
"""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import Root, Targets

from client_sim.content.kinds import ROLES
from client_sim.content.store import Store
from client_sim.device.errors import ProfileError
from client_sim.device.members import read_members
from client_sim.device.names import MAX_INTEGER, is_codename
from client_sim.device.records import (
    load_agreed,
    load_clock,
    load_failed,
    load_floor,
    store_failed,
)

State = MutableMapping[str, bytes]

_MODEL: Final = "reset"
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,15})(?: (0|[1-9][0-9]{0,15}) (0|[1-9][0-9]{0,15}))?")


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset by its number; of a model the highest counter and the newest time that still count.

    Both are 0 for `tables` and `content`. `time` is in epoch seconds.
    """

    number: int
    counter: int = 0
    time: int = 0


def read_resets(root: Root) -> dict[str, Reset]:
    """Return the newest reset of each role that root has one of; raises ProfileError."""
    custom = root.unrecognized_fields.get("custom")
    stated = custom.get("resets", {}) if isinstance(custom, Mapping) else {}
    resets = {}
    for name, value in read_members("The list of resets", ProfileError, stated).values.items():
        members = read_members("A reset", ProfileError, value)
        number = members.integer("number", 1)
        if is_codename(name):
            resets[name] = Reset(number, members.integer("counter"), members.integer("time"))
        elif name in ROLES and not {"counter", "time"} & members.values.keys():
            resets[name] = Reset(number)
        else:
            raise ProfileError("The root resets what cannot be reset.")
    return resets


def check_next_resets(old: Root, new: Root) -> None:
    """Check that each reset stays as it was or is the next one; raises ProfileError."""
    before, after = read_resets(old), read_resets(new)
    for name in before.keys() | after.keys():
        was, reset = before.get(name, Reset(0)), after.get(name, Reset(0))
        if reset != was and reset.number != was.number + 1:
            raise ProfileError(f"The new root does not continue the resets of {name}.")


def check_followed(name: str, role: Targets, root: Root) -> None:
    """Check that a role follows the newest reset that root has of it; raises ProfileError."""
    reset = read_resets(root).get(name, Reset(0))
    custom = role.unrecognized_fields.get("custom")
    number = custom.get("reset", 0) if isinstance(custom, Mapping) else 0
    if type(number) is not int or number != reset.number:
        raise ProfileError(f"The role {name} does not follow reset {reset.number} of the root.")


def apply_resets(state: State, root: Root, codename: str) -> None:
    """Apply the resets of a verified root that this phone has not applied yet.

    Those in the root of its image count, too: the image may be newer than the state, and on a new
    phone they find nothing to lower. Raises StateError.
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
            Store(state).forget(name)
            state[record] = b"%d" % reset.number


def load_counter(state: State, counter: int, post_timestamp: int) -> int:
    """Return the counter that counts for a build on this phone: a reset may have lowered it.

    A build that is later than the reset has a counter that was signed under it.
    """
    reset = _load(state, _MODEL)
    if reset is None or post_timestamp > reset.time:
        return counter
    return min(counter, reset.counter)


def _lower(state: State, reset: Reset) -> None:
    if load_clock(state) > reset.time:
        state["clock"] = b"%d" % reset.time
    if load_floor(state) > reset.counter:
        state["floor"] = b"%d" % reset.counter
    # Counters above it are given anew, to other builds.
    failed = load_failed(state)
    if any(counter > reset.counter for counter in failed):
        store_failed(state, (counter for counter in failed if counter <= reset.counter))
    if (load_agreed(state) or 0) > reset.counter:
        state.pop("agreed")


def _load(state: State, record: str) -> Reset | None:
    """Return the reset that was applied last, None where there is no record that can be read."""
    found = _RECORD.fullmatch(state.get(record, b""))
    if found is None:
        return None
    number, counter, time = (min(int(digits or 0), MAX_INTEGER) for digits in found.groups())
    return Reset(number, counter, time)
