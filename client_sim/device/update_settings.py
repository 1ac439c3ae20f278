"""The owner's update settings, as the record `settings` of the phone's state.

Canonical JSON (FORMATS section 1); without settings there is no record.
"""

import json
from collections.abc import MutableMapping
from typing import Final

from client_sim.device.conditions import MINUTES_OF_A_DAY, UpdateSettings
from client_sim.device.errors import StateError
from client_sim.device.release import Members

_NAME: Final = "wishes"
_LIMIT: Final = 1024  # bytes; the longest is below 100
_MEMBERS: Final = frozenset({"asks", "quiet", "schema", "takes_metered"})


def encode_settings(settings: UpdateSettings) -> bytes:
    """Encode the settings as the bytes of the record."""
    value = {
        "asks": settings.asks,
        "quiet": list(settings.quiet or ()),
        "schema": 1,
        "takes_metered": settings.takes_metered,
    }
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def decode_settings(data: bytes) -> UpdateSettings:
    """Decode the bytes of the record; raises StateError for any other encoding."""
    damaged = StateError("The owner's settings are damaged; set them again or reset the phone.")
    if len(data) > _LIMIT:
        raise damaged
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        raise damaged
    members = Members("The record of the owner's settings", StateError, value)
    members.schema("schema")
    settings = UpdateSettings(
        asks=members.boolean("asks"),
        takes_metered=members.boolean("takes_metered"),
        quiet=_decode_quiet(members),
    )
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


def _decode_quiet(members: Members) -> tuple[int, int] | None:
    items = members.items("quiet", 0, 2)
    if not items:
        return None
    minutes = [
        Members(members.what, members.error, {"quiet": item}).integer(
            "quiet", highest=MINUTES_OF_A_DAY - 1
        )
        for item in items
    ]
    if len(minutes) != 2:
        raise members.fail("quiet")
    return minutes[0], minutes[1]
