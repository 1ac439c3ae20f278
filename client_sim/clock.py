"""The only module that reads the real clock and the system's randomness."""

import os
import time


def read_clock() -> float:
    """Return the time in epoch seconds."""
    return time.time()


def read_entropy(n: int) -> bytes:
    """Return `n` random bytes from the system."""
    return os.urandom(n)
