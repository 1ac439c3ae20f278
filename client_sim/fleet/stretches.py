"""Cuts a run's simulated time into the stretches of its curves."""

from client_sim.fleet.lines import Lines
from client_sim.fleet.tally import BINS, Tally
from client_sim.fleet.wheel import TICKS


class Stretches:
    """Notes in `tally` what was done in each of the `BINS` stretches of `length` seconds."""

    def __init__(self, tally: Tally, lines: Lines, length: float) -> None:
        self._tally = tally
        self._lines = lines
        self._ticks = length * TICKS
        self._now = 0
        self._ends = self._ticks / BINS

    def find(self, tick: int) -> int:
        """Return the stretch in which `tick` is."""
        return min(BINS - 1, int(tick / self._ticks * BINS))

    def move(self, tick: int) -> None:
        """Let `tick` be now, which is never before what was."""
        if tick >= self._ends:
            self.count()
            self._now = self.find(tick)
            self._ends = (self._now + 1) * self._ticks / BINS

    def count(self) -> None:
        """Bring the sums up to date that follow from what was sent of each line."""
        tally = self._tally
        tally.requests, tally.sent = self._lines.total()
        tally.untold = self._lines.untold()
        tally.polled_in[self._now] = tally.polls - sum(tally.polled_in[: self._now])
        tally.asked_in[self._now] = tally.requests - sum(tally.asked_in[: self._now])
