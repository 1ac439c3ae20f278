"""What the outside world is to a command, read once in `main`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The time now (UTC), random octets, the environment in octets, and a clock for durations."""

    now: datetime
    entropy: Callable[[int], bytes]
    environment: Mapping[bytes, bytes] = field(repr=False)  # it may hold the passphrase
    monotonic: Callable[[], float] = float  # a clock that stands still; `main` gives a real one
    pause: Callable[[float], None] = lambda _seconds: None  # `main` gives one that waits
