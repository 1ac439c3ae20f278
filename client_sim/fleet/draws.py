"""An endless sequence of random numbers from a seed, so that a run can be repeated."""

import hashlib
import math
from array import array
from typing import Final

_BLOCK: Final = 65_536  # bytes that are generated in one call
_WORD: Final = 2.0**64


class Draws:
    """Numbers from SHAKE-256; equal `name` and `seed` give equal numbers."""

    def __init__(self, seed: int, name: str) -> None:
        self._start = f"hening fleet v1\0{seed}\0{name}\0".encode()
        self._blocks = 0
        self._words = iter(array("Q"))

    def word(self) -> int:
        """Return 0 to 2**64 - 1."""
        word = next(self._words, None)
        if word is not None:
            return word
        data = hashlib.shake_256(self._start + str(self._blocks).encode()).digest(_BLOCK)
        self._blocks += 1
        self._words = iter(array("Q", data))
        return self.word()

    def below(self, limit: int) -> int:
        """Return 0 to `limit` - 1."""
        return self.word() % limit

    def happens(self, share: float) -> bool:
        """Return true with the probability `share`, 0 to 1."""
        return self.word() < share * _WORD

    def normal(self) -> float:
        """Return a number of the standard normal distribution."""
        radius = math.sqrt(-2.0 * math.log((self.word() + 1) / _WORD))
        return radius * math.cos(2.0 * math.pi * self.word() / _WORD)

    def pick(self, weights: tuple[float, ...]) -> int:
        """Return an index with a probability in proportion to its weight."""
        left = self.word() / _WORD * sum(weights)
        for index, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return index
        return len(weights) - 1
