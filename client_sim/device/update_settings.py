"""The owner's update settings, as the record `settings` of the phone's state.

Canonical JSON (FORMATS section 1); without settings there is no record.
"""

from collections.abc import MutableMapping
from typing import Annotated, Final, Literal

import msgspec

from client_sim.device.conditions import MINUTES_OF_A_DAY, UpdateSettings
from client_sim.device.errors import StateError

_NAME: Final = "wishes"
_LIMIT: Final = 1024  # bytes; the longest is below 100
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
