"""Token buckets, which limit bursts and the long-term rate."""

import math
from collections import OrderedDict
from dataclasses import dataclass

MAX_BUCKETS = 10_000  # names in use at one time; the least recently used one is dropped


@dataclass(slots=True)
class Bucket:
    """Holds up to `size` tokens and gains `rate` a second; times are monotonic, in seconds."""

    size: float
    rate: float
    level: float
    at: float

    def take(self, now: float) -> int:
        """Take a token and return 0, or return the seconds until one is available."""
        wait = self.wait(now)
        if not wait:
            self.level -= 1
        return wait

    def give_back(self) -> None:
        """Undo a `take`."""
        self.level = min(self.size, self.level + 1)

    def wait(self, now: float) -> int:
        """Return the seconds until a token is available, 0 if it is now."""
        self.level = min(self.size, self.level + max(0.0, now - self.at) * self.rate)
        self.at = now
        return 0 if self.level >= 1 else max(1, math.ceil((1 - self.level) / self.rate))


class Buckets:
    """One bucket for each name, full at first; each holds `size` and gains `rate` a second."""

    def __init__(self, size: float, rate: float) -> None:
        self._size = size
        self._rate = rate
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def find(self, name: str, now: float) -> Bucket:
        """Return the bucket of `name`, and mark it as the last used."""
        bucket = self._buckets.pop(name, None)
        if bucket is None:
            bucket = Bucket(self._size, self._rate, self._size, now)
        self._buckets[name] = bucket
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket
