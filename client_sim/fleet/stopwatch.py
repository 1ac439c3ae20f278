"""How long answers take, by the real clock."""

import time
from typing import Final

from client_sim.fleet.tally import Tally

_MOST: Final = 4_096  # latencies that are noted before they are counted together


class Stopwatch:
    """Notes latencies in `tally`.

    `lost` are seconds in which this process did something else: its time stands still then.
    """

    def __init__(self, tally: Tally) -> None:
        self.lost = 0.0
        self._tally = tally
        self._noted: list[float] = []

    def read(self) -> float:
        """Return the time in seconds."""
        return time.perf_counter() - self.lost

    def note(self, seconds: float, times: int = 1) -> None:
        """Note a latency, of so many polls."""
        self._noted.extend([seconds] * times)
        if len(self._noted) > _MOST:
            self.count()

    def count(self) -> None:
        """Put what was noted last into its classes."""
        self._tally.latencies.add(self._noted)
        self._noted.clear()
