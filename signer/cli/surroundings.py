"""What the outside world is to a command, read once in `main`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The time now (UTC), a source of random octets, and the environment in octets."""

    now: datetime
    entropy: Callable[[int], bytes]
    environment: Mapping[bytes, bytes] = field(repr=False)  # it may hold the passphrase
