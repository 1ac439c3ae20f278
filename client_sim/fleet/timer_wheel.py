"""A timer wheel: the phones that are due at a tick, in eight bytes for each phone and slot."""

from array import array
from collections.abc import Iterator
from typing import Final

from client_sim.device.client import SHORTEST, SPREAD
from client_sim.fleet.population import Draws

TICKS: Final = 4
"""Ticks in a simulated second."""

_NOBODY: Final = 0xFFFF_FFFF


class TimerWheel:
    """Phones by the tick at which they are due; each is on the wheel at most once.

    The phones of a slot are a linked list in one array, so that `put` allocates nothing. `slots`
    must exceed the ticks by which any phone is put ahead.
    """

    def __init__(self, phones: int, slots: int) -> None:
        self._first = array("I", [_NOBODY]) * slots
        self._next = array("I", [_NOBODY]) * phones
        self._slots = slots

    def put(self, phone: int, tick: int) -> None:
        """Schedule `phone` at `tick`."""
        slot = tick % self._slots
        self._next[phone] = self._first[slot]
        self._first[slot] = phone

    def take(self, tick: int) -> Iterator[int]:
        """Remove and yield the phones that are due; phones that are put meanwhile come later."""
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
    """The due times of `phones` phones, in ticks."""

    def __init__(self, phones: int, draws: Draws) -> None:
        self._phones = phones
        self._draws = draws
        self._wheel = TimerWheel(phones, (SHORTEST + SPREAD + 1) * TICKS)
        self._tick = 0

    def place_phones(self, wake: float = 0.0) -> None:
        """Schedule every phone at a time between now and the longest interval.

        At any moment a long interval is more likely than a short one, and any part of it may have
        passed. So the polls are distributed as in a fleet that has run for long. With `wake` they
        are all due within so many seconds, as where power returns to a city.
        """
        for phone in range(self._phones):
            if wake:
                self._wheel.put(phone, self._draws.below(round(wake * TICKS)))
                continue
            while self._draws.below(SHORTEST + SPREAD) >= (span := self._draw_interval()):
                continue
            self._wheel.put(phone, self._draws.below(span * TICKS))

    def put(self, phone: int, tick: int) -> None:
        """Schedule `phone`, which must not be scheduled already, at `tick`."""
        self._wheel.put(phone, tick)

    def take(self, tick: int) -> Iterator[int]:
        """Yield the phones that are due at `tick`, which is now."""
        self._tick = tick
        return self._wheel.take(tick)

    def renew(self, phone: int, begun: int) -> None:
        """Schedule a phone again, counted from its last due time, not from the last answer."""
        due = begun + (SHORTEST + self._draws.word() % SPREAD) * TICKS
        # A past tick would come again only after a full turn of the wheel.
        self._wheel.put(phone, due if due > self._tick else self._tick + 1)

    def _draw_interval(self) -> int:
        return SHORTEST + self._draws.word() % SPREAD
