"""The signed-time rule: a lower bound for the time, from signed metadata (ADR 60).

A phone's clock may be slow. Signed times prove that a time has passed: the build dates and the
`floor_time` of the phone's model, signed offline, but none after the signing time of the timestamp.
The phone stores the newest such time and does not accept an earlier clock. A reset in root lowers
it.

Source: docs/FORMATS.md section 16.
"""

from collections.abc import Mapping, MutableMapping
from typing import Final

from tuf.api.metadata import Targets, Timestamp

from client_sim.device.release import DECIMAL, MAX_INTEGER

_DAY: Final = 86_400
ONLINE_DAYS: Final = 7
"""Days for which `latest` and the snapshot are valid."""

_RECORD: Final = "clock"
_END_OF_DATES: Final = 253_402_300_800  # 10000-01-01; no role can expire then or later


def signing_time(timestamp: Timestamp) -> int:
    """Return the signing time of a timestamp, epoch seconds: a day before it expires."""
    return max(0, int(timestamp.expires.timestamp()) - _DAY)


def pointers_signing_time(role: Targets) -> int:
    """Return the signing time of `latest` or a part, epoch seconds: a week before it expires."""
    return max(0, int(role.expires.timestamp()) - ONLINE_DAYS * _DAY)


def newest_time(role: Targets) -> int:
    """Return the newest time that a codename role states, epoch seconds; 0 if it states none."""
    customs = [target.unrecognized_fields.get("custom") for target in role.targets.values()]
    times = [read_number(custom, "post_timestamp") for custom in customs]
    return max(*times, read_number(role.unrecognized_fields.get("custom"), "floor_time"), 0)


def read_number(custom: object, name: str) -> int:
    """Return a member of a `custom` object if it is a valid integer, else 0."""
    value = custom.get(name) if isinstance(custom, Mapping) else None
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else 0


def clock_floor(state: Mapping[str, bytes], *built_at: int) -> int:
    """Return the earliest time that the phone accepts, epoch seconds.

    It is the latest of the stored time and `built_at`, the dates of builds that the phone knows.
    """
    return max(*built_at, load_clock(state))


def load_clock(state: Mapping[str, bytes]) -> int:
    """Return the stored signed time, or 0 if there is none."""
    stored = state.get(_RECORD, b"").decode("latin-1")
    # The record only corrects a slow clock, so a damaged one is ignored and the phone keeps
    # working. A time after the last possible expiry is ignored, too: the phone could never accept
    # metadata again.
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
