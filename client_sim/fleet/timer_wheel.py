"""A timer wheel: finds the phones that are due at a tick, with 4 bytes for each phone and slot."""

from array import array
from collections.abc import Iterator
from typing import Final

from client_sim.device.client import SHORTEST, SPREAD
from client_sim.fleet.population import Draws

TICKS: Final = 4
"""Ticks in a simulated second."""

_EMPTY: Final = 0xFFFF_FFFF


class TimerWheel:
    """Phones by the tick at which they are due; each phone is on the wheel at most once.

    The phones of a slot are a linked list in one array, so that `put` allocates nothing. `slots`
    must exceed the number of ticks by which any phone is scheduled ahead.
    """

    def __init__(self, phones: int, slots: int) -> None:
        self._first = array("I", [_EMPTY]) * slots
        self._next = array("I", [_EMPTY]) * phones
        self._slots = slots

    def put(self, phone: int, tick: int) -> None:
        """Schedule `phone` at `tick`."""
        slot = tick % self._slots
        self._next[phone] = self._first[slot]
        self._first[slot] = phone

    def take(self, tick: int) -> Iterator[int]:
        """Remove and yield the phones that are due; phones scheduled meanwhile are not yielded."""
        slot = tick % self._slots
        phone = self._first[slot]
        if phone == _EMPTY:
            return
        self._first[slot] = _EMPTY
        while phone != _EMPTY:
            following = self._next[phone]
            yield phone
            phone = following


class PollSchedule(TimerWheel):
    """The due times of `phones` phones, in ticks."""

    def __init__(self, phones: int, draws: Draws) -> None:
        super().__init__(phones, (SHORTEST + SPREAD + 1) * TICKS)
        self._draws = draws
        self._tick = 0

    def place_phones(self, wake: float = 0.0) -> None:
        """Schedule every phone at a time between now and the longest interval.

        The polls are distributed as in a fleet that has run for long: at any moment, a phone is
        more likely in a long interval than in a short one, and at any point of it. With `wake`, all
        polls are due within that many seconds, as after a power cut.
        """
        for phone in range(len(self._next)):
            if wake:
                self.put(phone, self._draws.below(round(wake * TICKS)))
                continue
            while self._draws.below(SHORTEST + SPREAD) >= (span := self._draw_interval()):
                continue
            self.put(phone, self._draws.below(span * TICKS))

    def take(self, tick: int) -> Iterator[int]:
        """Set the current tick, and yield the phones that are due at it."""
        self._tick = tick
        return super().take(tick)

    def renew(self, phone: int, last_tick: int) -> None:
        """Schedule the next poll of a phone, counted from the tick `last_tick` of its last one."""
        due = last_tick + self._draw_interval() * TICKS
        # A past tick would come again only after a full turn of the wheel.
        self.put(phone, due if due > self._tick else self._tick + 1)

    def _draw_interval(self) -> int:
        return SHORTEST + self._draws.word() % SPREAD
