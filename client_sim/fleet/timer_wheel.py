"""A timer wheel: which phones are due at a tick, in eight bytes for a phone and slot."""

from array import array
from collections.abc import Iterator
from typing import Final

from client_sim.device.client import SHORTEST, SPREAD
from client_sim.fleet.draws import Draws

TICKS: Final = 4
"""Ticks in a simulated second."""

_NOBODY: Final = 0xFFFF_FFFF


class TimerWheel:
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


class Appointments:
    """The times at which so many `phones` are due, in ticks."""

    def __init__(self, phones: int, draws: Draws) -> None:
        self._phones = phones
        self._draws = draws
        self._wheel = TimerWheel(phones, (SHORTEST + SPREAD + 1) * TICKS)
        self._tick = 0

    def place_phones(self) -> None:
        """Let every phone be due at a time between now and the longest interval.

        A long interval is more likely to be under way than a short one, and any part of it may be
        over: so phones come as they do in a fleet that has been polling for long.
        """
        for phone in range(self._phones):
            while self._draws.below(SHORTEST + SPREAD) >= (span := self._draw_interval()):
                continue
            self._wheel.put(phone, self._draws.below(span * TICKS))

    def put(self, phone: int, tick: int) -> None:
        """Let `phone`, which is not due at another time, be due at `tick`."""
        self._wheel.put(phone, tick)

    def take(self, tick: int) -> Iterator[int]:
        """Yield the phones that are due at `tick`, which is now."""
        self._tick = tick
        return self._wheel.take(tick)

    def renew(self, phone: int, begun: int) -> None:
        """Let a phone be due again, counted from when it was due, not from the last answer."""
        due = begun + (SHORTEST + self._draws.word() % SPREAD) * TICKS
        # A tick that is over would come round again only when the whole wheel has turned.
        self._wheel.put(phone, due if due > self._tick else self._tick + 1)

    def _draw_interval(self) -> int:
        return SHORTEST + self._draws.word() % SPREAD
