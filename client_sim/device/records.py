"""What a phone remembers between polls besides metadata and the owner's wishes (`wishes.py`).

secret    32 octets, made at first need, never sent
due       when to poll next, epoch seconds as decimal text; gone once used
floor     the highest counter that was ever marked successful, decimal
failed    counters of builds that did not start, decimal, one a line
unusable  sha256 of incrementals that were gone or did not fit, one a line; until a build is new
clock     the newest time that the model's maintainers have signed, epoch seconds, decimal
agreed    counter of the build that the owner has agreed to, decimal
"""

import math
import re
from collections.abc import Callable, Iterable, MutableMapping
from typing import Final

from client_sim.device.errors import StateError
from client_sim.device.names import DECIMAL, SHA256

State = MutableMapping[str, bytes]

_SECRET_SIZE: Final = 32
_END_OF_DATES: Final = 253_402_300_800  # 10000-01-01; no role can expire then or later
_NUMBER: Final = re.compile(rb"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_FAILED_LIMIT: Final = 64
# A step has two incrementals; a phone meets a few steps between two builds.
_UNUSABLE_LIMIT: Final = 64


def load_secret(state: State, entropy: Callable[[int], bytes]) -> bytes:
    """Return the phone's secret; makes and stores it at the first call."""
    secret = state.get("secret", b"")
    if len(secret) != _SECRET_SIZE:
        secret = entropy(_SECRET_SIZE)
        state["secret"] = secret
    return secret


def load_due(state: State) -> float | None:
    """Return the stored due time, or None if there is none that can be read."""
    stored = state.get("due", b"")
    return float(stored) if _NUMBER.fullmatch(stored) else None


def store_due(state: State, due: float) -> float:
    """Store a due time and return it as it will be read again."""
    assert math.isfinite(due)
    # Not `repr`, which writes 0.00001 with an exponent.
    text = f"{max(0.0, due):.6f}".encode()
    state["due"] = text
    return float(text)


def forget_due(state: State) -> None:
    """Use up the due time."""
    state.pop("due", None)


def load_floor(state: State) -> int:
    """Return the floor, 0 on a phone that has installed nothing; raises StateError."""
    return _decode_counter(state.get("floor", b"0"))


def raise_floor(state: State, counter: int) -> None:
    """Store a higher floor; a lower one changes nothing."""
    if counter > load_floor(state):
        state["floor"] = str(counter).encode()


def load_clock(state: State) -> int:
    """Return the newest time that offline keys are known to have signed, 0 if there is none."""
    stored = state.get("clock", b"").decode("latin-1")
    # It only ever helps a clock that is slow, so a damaged one is worth no reset of the phone. Nor
    # is one to which everything has expired: the phone would never believe anybody again.
    seconds = int(stored) if DECIMAL.fullmatch(stored) else 0
    return seconds if seconds < _END_OF_DATES else 0


def raise_clock(state: State, seconds: int) -> None:
    """Store a newer signed time; an older one changes nothing."""
    if seconds > load_clock(state):
        state["clock"] = str(seconds).encode()


def load_failed(state: State) -> tuple[int, ...]:
    """Return the counters of failed builds; raises StateError."""
    lines = state.get("failed", b"").splitlines()
    if len(lines) > _FAILED_LIMIT:
        raise StateError("The phone's record of failed builds is damaged; reset the phone.")
    return tuple(_decode_counter(line) for line in lines)


def store_failed(state: State, counters: Iterable[int]) -> None:
    """Store the counters of failed builds, the highest 64 of them."""
    kept = sorted(set(counters))[-_FAILED_LIMIT:]
    state["failed"] = "\n".join(map(str, kept)).encode()


def load_unusable(state: State) -> tuple[str, ...]:
    """Return the sha256 of incrementals that were of no use; what cannot be read is none."""
    lines = state.get("unusable", b"").decode("latin-1").splitlines()[:_UNUSABLE_LIMIT]
    return tuple(line for line in lines if SHA256.fullmatch(line))


def add_unusable(state: State, sha256: str) -> None:
    """Remember that an incremental was of no use; the oldest of more than 64 is forgotten."""
    known = [line for line in load_unusable(state) if line != sha256]
    state["unusable"] = "\n".join([*known, sha256][-_UNUSABLE_LIMIT:]).encode()


def forget_unusable(state: State) -> None:
    """Forget them all: another build runs, for which they were not meant."""
    state.pop("unusable", None)


def forget_agreed(state: State) -> None:
    """Forget the owner's consent: the build that it was for runs."""
    state.pop("agreed", None)


def load_agreed(state: State) -> int | None:
    """Return the counter of the build that the owner agreed to, or None; raises StateError."""
    stored = state.get("agreed")
    return None if stored is None else _decode_counter(stored)


def store_agreed(state: State, counter: int) -> None:
    """Remember that the owner agrees to a build, and to no other."""
    state["agreed"] = str(counter).encode()


def _decode_counter(octets: bytes) -> int:
    text = octets.decode("latin-1")
    if not DECIMAL.fullmatch(text):
        raise StateError("A counter that the phone has stored is damaged; reset the phone.")
    return int(text)
