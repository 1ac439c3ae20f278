"""How many requests are taken: a bucket for each token, and one for all that have no valid token.

Nothing is kept of a client's address. The buckets of tokens are as many as there are tokens in use;
guesses together may do what one token may, and while their bucket is empty an unknown token is not
even looked up. Tokens that were used lately pass it, so that whoever works goes on working under a
flood of guesses. What is urgent, a halt, is looked up whatever the buckets hold, and never refused.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from server.release.errors import RateError

BURST_SECONDS = 4  # of requests at the full rate that may come at once
MAX_BUCKETS = 10_000  # tokens in use at one time; the one unused for longest is forgotten


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

    def wait(self, now: float) -> int:
        """Return in how many seconds there will be one to take, 0 for now."""
        self.level = min(self.size, self.level + max(0.0, now - self.at) * self.rate)
        self.at = now
        return 0 if self.level >= 1 else max(1, math.ceil((1 - self.level) / self.rate))


class Rates:
    """The buckets of one process. `per_second` is what one token may do; `now` is monotonic."""

    def __init__(self, per_second: int, now: Callable[[], float]) -> None:
        self._rate = float(per_second)
        self._now = now
        self._guesses = self._full()
        self._tokens: OrderedDict[bytes, Bucket] = OrderedDict()

    def check_unknown(self, secret: str) -> None:
        """Raise RateError while guesses are too many, unless `secret` was valid lately."""
        if _digest(secret) in self._tokens:
            return
        wait = self._guesses.wait(self._now())
        if wait:
            raise _too_many(wait)

    def count_failure(self, secret: str) -> None:
        """Count a request without a valid token; raises RateError when they are too many."""
        self._tokens.pop(_digest(secret), None)
        wait = self._guesses.take(self._now())
        if wait:
            raise _too_many(wait)

    def count(self, secret: str, *, is_urgent: bool = False) -> None:
        """Count a request of the valid token `secret`.

        Raises RateError when they are too many, unless this one is urgent.
        """
        digest = _digest(secret)
        bucket = self._tokens.pop(digest, None)
        if bucket is None:
            bucket = self._full()
        self._tokens[digest] = bucket
        if len(self._tokens) > MAX_BUCKETS:
            self._tokens.popitem(last=False)
        wait = bucket.take(self._now())
        if wait and not is_urgent:
            raise _too_many(wait)

    def _full(self) -> Bucket:
        size = self._rate * BURST_SECONDS
        return Bucket(size, self._rate, size, self._now())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _too_many(wait: int) -> RateError:
    return RateError(f"Too many requests: ask again in {wait} s.", wait)
