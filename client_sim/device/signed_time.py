"""The signed-time rule: what a phone knows about the time besides its clock (ADR 60).

A phone's clock may be slow. What keys have signed shows that a time has passed: the build dates and
the `floor_time` of its model, signed offline, as far as the timestamp's key agrees. The newest such
time is stored, and no clock is believed below it. A reset in root lowers it.

Source: docs/FORMATS.md section 16.
"""

from collections.abc import Mapping, MutableMapping
from typing import Final

from tuf.api.metadata import Targets, Timestamp

from client_sim.device.release import DECIMAL, MAX_INTEGER

_DAY: Final = 86_400
ONLINE_DAYS: Final = 7
"""For how many days `latest` and the snapshot are valid."""

_RECORD: Final = "clock"
_END_OF_DATES: Final = 253_402_300_800  # 10000-01-01; no role can expire then or later


def signing_time(timestamp: Timestamp) -> int:
    """Return when a timestamp was signed, epoch seconds: a day before it expires."""
    return max(0, int(timestamp.expires.timestamp()) - _DAY)


def pointers_signing_time(role: Targets) -> int:
    """Return when `latest` or a part of it was signed, epoch seconds: a week before it expires."""
    return max(0, int(role.expires.timestamp()) - ONLINE_DAYS * _DAY)


def newest_time(role: Targets) -> int:
    """Return the newest time that a codename role states, epoch seconds; 0 if it states none."""
    customs = [target.unrecognized_fields.get("custom") for target in role.targets.values()]
    times = [read_number(custom, "post_timestamp") for custom in customs]
    return max(*times, read_number(role.unrecognized_fields.get("custom"), "floor_time"), 0)


def read_number(custom: object, name: str) -> int:
    """Return an integer that a `custom` object states; 0 if it states none."""
    value = custom.get(name) if isinstance(custom, Mapping) else None
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else 0


def clock_floor(state: Mapping[str, bytes], *built_at: int) -> int:
    """Return the time that has passed for certain, epoch seconds: no clock is believed below it.

    It is the stored time, or the newest of `built_at`, the dates of builds that the phone knows.
    """
    return max(*built_at, load_clock(state))


def load_clock(state: Mapping[str, bytes]) -> int:
    """Return the newest time that offline keys are known to have signed, 0 if there is none."""
    stored = state.get(_RECORD, b"").decode("latin-1")
    # The record only helps a slow clock, so a damaged one is ignored and the phone keeps working. A
    # time at which all metadata has expired is ignored too: the phone could never accept metadata
    # again.
    seconds = int(stored) if DECIMAL.fullmatch(stored) else 0
    return seconds if seconds < _END_OF_DATES else 0


def raise_clock(state: MutableMapping[str, bytes], seconds: int) -> None:
    """Store a newer signed time; an older one changes nothing."""
    if seconds > load_clock(state):
        state[_RECORD] = b"%d" % seconds


def lower_clock(state: MutableMapping[str, bytes], seconds: int) -> None:
    """Store the time of a reset; an earlier stored time stays."""
    if load_clock(state) > seconds:
        state[_RECORD] = b"%d" % seconds
