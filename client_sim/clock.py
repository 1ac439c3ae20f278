"""The one place where the real clock and the system's randomness are read."""

import os
import time


def read_clock() -> float:
    """Return the time in epoch seconds."""
    return time.time()


def read_entropy(n: int) -> bytes:
    """Return `n` fresh bytes of the system's randomness."""
    return os.urandom(n)
