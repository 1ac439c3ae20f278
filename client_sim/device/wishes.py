"""The owner's update settings, as the record `wishes` of the phone's state.

Canonical JSON (FORMATS section 1); without settings there is no record.
"""

import json
from collections.abc import MutableMapping
from typing import Final

from client_sim.device.conditions import MINUTES_OF_A_DAY, Wishes
from client_sim.device.errors import StateError
from client_sim.device.release import Members

_NAME: Final = "wishes"
_LIMIT: Final = 1024  # bytes; the longest is below 100
_MEMBERS: Final = frozenset({"asks", "quiet", "schema", "takes_metered"})


def encode_wishes(wishes: Wishes) -> bytes:
    """Encode the settings as the bytes of the record."""
    value = {
        "asks": wishes.asks,
        "quiet": list(wishes.quiet or ()),
        "schema": 1,
        "takes_metered": wishes.takes_metered,
    }
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def decode_wishes(data: bytes) -> Wishes:
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
    wishes = Wishes(
        asks=members.boolean("asks"),
        takes_metered=members.boolean("takes_metered"),
        quiet=_decode_quiet(members),
    )
    if encode_wishes(wishes) != data:
        raise damaged
    return wishes


def load_wishes(state: MutableMapping[str, bytes]) -> Wishes:
    """Return the owner's settings, or the defaults; raises StateError."""
    data = state.get(_NAME)
    return Wishes() if data is None else decode_wishes(data)


def store_wishes(state: MutableMapping[str, bytes], wishes: Wishes) -> None:
    """Store the owner's settings."""
    state[_NAME] = encode_wishes(wishes)


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
