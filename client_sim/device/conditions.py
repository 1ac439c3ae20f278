"""Conditions of an installation: the owner's settings, the battery, the network, the disk.

They are checked only after a poll that offered a build, and never by the poll itself. So the times
and contents of requests do not depend on them (FORMATS section 4, Conditions). The settings are the
record `wishes` of the phone's state, in canonical JSON (section 1); without it the defaults apply.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from client_sim.device.choose import Check, Offer
from client_sim.device.errors import StateError

MINUTES_OF_A_DAY: Final = 1440
LEAST_BATTERY: Final = 30
"""Battery percent needed without a charger: the phone must survive the first boot."""

LEAST_BATTERY_CHARGING: Final = 10
"""Battery percent needed on a charger: enough to finish if the charger is unplugged."""


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """The owner's settings.

    `asks`: each build is installed only after the owner agrees to it. `takes_metered`: downloads
    may use a metered network. `quiet`: start and end of the hours without installations, in minutes
    since local midnight; the end may be the smaller number; None if there are no quiet hours.
    """

    asks: bool = False
    takes_metered: bool = False
    quiet: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """The phone's circumstances; the defaults allow every update.

    `free_bytes` is the free space on the disk, `local_minute` the local time in minutes since
    midnight; None if unknown.
    """

    battery_percent: int = 100
    is_charging: bool = False
    is_metered: bool = False
    free_bytes: int | None = None
    local_minute: int | None = None


def judge_conditions(
    offer: Offer, conditions: Conditions, settings: UpdateSettings, *, agreed: int | None, room: int
) -> tuple[Check, ...]:
    """Check all conditions of an installation, which starts only if all of them pass.

    `agreed` is the counter of the build that the owner has agreed to, `room` the disk space in
    bytes that the installation still needs.
    """
    return (
        _judge_consent(offer, settings, agreed),
        _judge_quiet(conditions, settings),
        _judge_battery(conditions),
        _judge_network(conditions, settings),
        _judge_room(conditions, room),
    )


def is_quiet(minute: int, quiet: tuple[int, int]) -> bool:
    """Tell whether a minute of the day is in the quiet hours, which exclude `quiet[1]`."""
    start, end = quiet
    return start <= minute < end if start <= end else minute >= start or minute < end


def format_minute(minute: int) -> str:
    """Return a minute of the day as a clock time, such as 07:30."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _judge_consent(offer: Offer, settings: UpdateSettings, agreed: int | None) -> Check:
    if not settings.asks:
        return Check("consent", passed=True, sentence="The owner lets updates install themselves.")
    if agreed == offer.counter:
        sentence = f"The owner has agreed to build {offer.counter}."
        return Check("consent", passed=True, sentence=sentence)
    sentence = f"Build {offer.counter} waits until the owner agrees to it."
    return Check("consent", passed=False, sentence=sentence)


def _judge_quiet(conditions: Conditions, settings: UpdateSettings) -> Check:
    minute, quiet = conditions.local_minute, settings.quiet
    if quiet is None:
        return Check("quiet", passed=True, sentence="No quiet hours are set.")
    if minute is None:
        sentence = "The local time is unknown, so the quiet hours do not apply."
        return Check("quiet", passed=True, sentence=sentence)
    hours = f"the quiet hours from {format_minute(quiet[0])} to {format_minute(quiet[1])}"
    if is_quiet(minute, quiet):
        return Check("quiet", passed=False, sentence=f"{format_minute(minute)} is in {hours}.")
    return Check("quiet", passed=True, sentence=f"{format_minute(minute)} is outside {hours}.")


def _judge_battery(conditions: Conditions) -> Check:
    percent = conditions.battery_percent
    if conditions.is_charging:
        least, how = LEAST_BATTERY_CHARGING, "and is charging"
    else:
        least, how = LEAST_BATTERY, "and is not charging"
    state = f"The battery holds {percent} % {how}"
    if percent >= least:
        return Check("battery", passed=True, sentence=f"{state}; {least} % are enough.")
    return Check("battery", passed=False, sentence=f"{state}; an update needs {least} %.")


def _judge_network(conditions: Conditions, settings: UpdateSettings) -> Check:
    if not conditions.is_metered:
        return Check("network", passed=True, sentence="The network is not metered.")
    if settings.takes_metered:
        sentence = "The network is metered, which the owner allows."
        return Check("network", passed=True, sentence=sentence)
    sentence = (
        "The network is metered, and the owner has not allowed updates over metered networks."
    )
    return Check("network", passed=False, sentence=sentence)


def _judge_room(conditions: Conditions, room: int) -> Check:
    free = conditions.free_bytes
    if free is None:
        return Check("room", passed=True, sentence=f"The update needs {room} free bytes.")
    if free >= room:
        sentence = f"The update needs {room} free bytes, and the disk has {free}."
        return Check("room", passed=True, sentence=sentence)
    sentence = f"The update needs {room} free bytes, but the disk has only {free}."
    return Check("room", passed=False, sentence=sentence)


_NAME: Final = "wishes"
_LIMIT: Final = 1024  # bytes; a record needs less than 100
_Minute = Annotated[int, msgspec.Meta(ge=0, lt=MINUTES_OF_A_DAY)]


class _Record(msgspec.Struct):
    asks: bool
    quiet: list[_Minute]
    takes_metered: bool
    schema: Literal[1] = 1


def encode_settings(settings: UpdateSettings) -> bytes:
    """Encode the settings as the bytes of the record."""
    record = _Record(settings.asks, list(settings.quiet or ()), settings.takes_metered)
    return msgspec.json.encode(record, order="sorted") + b"\n"


def decode_settings(data: bytes) -> UpdateSettings:
    """Decode the bytes of the record; raises StateError for any other encoding."""
    damaged = StateError("The owner's settings are damaged; set them again or reset the phone.")
    if len(data) > _LIMIT:
        raise damaged
    try:
        record = msgspec.json.decode(data, type=_Record)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise damaged from None
    if len(record.quiet) not in {0, 2}:
        raise damaged
    quiet = (record.quiet[0], record.quiet[1]) if record.quiet else None
    settings = UpdateSettings(record.asks, record.takes_metered, quiet)
    if encode_settings(settings) != data:
        raise damaged
    return settings


def load_settings(state: MutableMapping[str, bytes]) -> UpdateSettings:
    """Return the owner's settings, or the defaults; raises StateError."""
    data = state.get(_NAME)
    return UpdateSettings() if data is None else decode_settings(data)


def store_settings(state: MutableMapping[str, bytes], settings: UpdateSettings) -> None:
    """Store the owner's settings."""
    state[_NAME] = encode_settings(settings)
