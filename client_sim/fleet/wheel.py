"""A timer wheel: which phones are due at a tick, in eight octets for a phone and slot."""

from array import array
from collections.abc import Iterator
from typing import Final

TICKS: Final = 4
"""Ticks in a simulated second."""

_NOBODY: Final = 0xFFFF_FFFF


class Wheel:
    """Phones by the tick at which they are due; each stands on the wheel once at most.

    The phones of a slot are a chain through one array, so that nothing is allocated when a phone is
    put. `slots` has to be more than the ticks that anybody is ever put ahead.
    """

    def __init__(self, phones: int, slots: int) -> None:
        self._first = array("I", [_NOBODY]) * slots
        self._next = array("I", [_NOBODY]) * phones
        self._slots = slots

    def put(self, phone: int, tick: int) -> None:
        """Let `phone` be due at `tick`."""
        slot = tick % self._slots
        self._next[phone] = self._first[slot]
        self._first[slot] = phone

    def take(self, tick: int) -> Iterator[int]:
        """Take the phones that are due off the wheel; those who are put meanwhile come later."""
        slot = tick % self._slots
        phone = self._first[slot]
        if phone == _NOBODY:
            return
        self._first[slot] = _NOBODY
        while phone != _NOBODY:
            following = self._next[phone]
            yield phone
            phone = following
