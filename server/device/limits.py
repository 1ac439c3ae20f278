"""How long a client may take for what, and how many there may be at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process of the device plane; times in seconds.

    `head_seconds`: from the first octet of a request to the last of its head. `idle_seconds`:
    between two requests of a connection; a phone closes at once, this is for caches that keep
    connections. `stall_seconds`: how long a client may take nothing of an answer. `least_rate`:
    octets a second of a package on the lane below which it stalls, too. `linger_seconds`:
    how long what still comes is thrown away after the last answer, so that the client can read it.
    `drain_seconds`: how long answers under way may take at the end. `connections` and `downloads`:
    how many there may be at once. `handovers`: how many connections leave the lane in a second; who
    is refused waits for the next.
    """

    head_seconds: float = 10.0
    idle_seconds: float = 30.0
    stall_seconds: float = 60.0
    least_rate: int = 1024
    linger_seconds: float = 2.0
    drain_seconds: float = 5.0
    connections: int = 20_000
    downloads: int = 4_000
    handovers: int = 1_000


LIMITS = Limits()
