"""The randomness that a client is given: the same for the same seed, poll by poll."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Entropy:
    """A seed for a whole run, and other seeds for single polls.

    `instead` maps the number of a poll (from 1; 0 is what is drawn before the first) to the seed of
    what is drawn from the beginning of that poll to the beginning of the next. So two runs can
    differ in the randomness of one poll alone.
    """

    seed: bytes
    instead: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def seed_of(self, poll: int) -> bytes:
        """Return the seed of what is drawn in and after a poll."""
        return self.instead.get(poll, self.seed)


class SeededEntropy:
    """A tape for each poll and for each length that is drawn; every draw has its own place on it.

    So an extra draw of another length, in one of two runs alone, leaves all other draws the same.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._poll = 0
        self._drawn: Counter[int] = Counter()

    def begin_poll(self, poll: int) -> None:
        """Switch to the tape of a poll."""
        self._poll = poll
        self._drawn.clear()

    def __call__(self, n: int) -> bytes:
        """Return the next `n` bytes."""
        self._drawn[n] += 1
        seed = self._entropy.seed_of(self._poll)
        place = b"%d\x00%d\x00%d\x00%s" % (self._poll, n, self._drawn[n], seed)
        return hashlib.shake_256(place).digest(n)
