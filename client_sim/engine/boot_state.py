"""The bootloader's state of the two slots, and its file.

`boot.json` is canonical JSON (FORMATS section 1): each state has exactly one encoding. The decoder
accepts only what the encoder writes, so a damaged file is detected.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from client_sim.engine.apply import PartitionResult
from client_sim.engine.errors import SlotError
from client_sim.world import BuildFacts

MAX_STATE_BYTES: Final = 256 * 1024

SlotName = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class SlotState:
    """One slot: its boot flags, its remaining boot attempts and its content.

    `successful` says that the build was confirmed, `failed` that it did not boot. `build` is None
    while the slot has no complete build. `package` is the sha256 of the build's package, None for
    the factory's build.
    """

    bootable: bool
    successful: bool
    failed: bool
    tries_remaining: int
    build: BuildFacts | None
    package: str | None
    partitions: tuple[PartitionResult, ...]


EMPTY_SLOT: Final = SlotState(
    bootable=False,
    successful=False,
    failed=False,
    tries_remaining=0,
    build=None,
    package=None,
    partitions=(),
)


@dataclass(frozen=True, slots=True)
class BootState:
    """Both slots; `active` is the one to boot next, `running` the one that runs now."""

    active: SlotName
    running: SlotName
    slots: dict[SlotName, SlotState]
    schema: Literal[1] = 1


def encode_boot_state(state: BootState) -> bytes:
    """Encode a state as the bytes of `boot.json`."""
    return msgspec.json.encode(state, order="sorted") + b"\n"


def decode_boot_state(data: bytes) -> BootState:
    """Decode the bytes of `boot.json`.

    Raises SlotError for any bytes that `encode_boot_state` would not write.
    """
    if len(data) > MAX_STATE_BYTES:
        raise SlotError("The phone's boot state is too long; flash the phone anew.")
    try:
        state = msgspec.json.decode(data, type=BootState)
        is_sound = encode_boot_state(state) == data and set(state.slots) == {"a", "b"}
    except (msgspec.MsgspecError, ValueError, RecursionError):
        is_sound = False
    if not is_sound:
        raise SlotError("The phone's boot state is damaged; flash the phone anew.")
    return state
