"""Token buckets: how much may come in one burst, and how much in the long run."""

import math
from collections import OrderedDict
from dataclasses import dataclass

MAX_BUCKETS = 10_000  # names in use at one time; the one unused for longest goes


@dataclass(slots=True)
class Bucket:
    """Holds up to `size` and gains `rate` a second; times are of a monotonic clock in seconds."""

    size: float
    rate: float
    level: float
    at: float

    def take(self, now: float) -> int:
        """Take one; returns 0, or in how many seconds there will be one."""
        wait = self.wait(now)
        if not wait:
            self.level -= 1
        return wait

    def give_back(self) -> None:
        """Undo a `take`."""
        self.level = min(self.size, self.level + 1)

    def wait(self, now: float) -> int:
        """Return in how many seconds there will be one to take, 0 for now."""
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
        """Return the bucket of `name`, as the one that was used last."""
        bucket = self._buckets.pop(name, None)
        if bucket is None:
            bucket = Bucket(self._size, self._rate, self._size, now)
        self._buckets[name] = bucket
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket
