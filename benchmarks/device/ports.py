"""Free ports to listen on, below the ephemeral ports."""

import itertools
import socket
from collections.abc import Iterator

# From 32768 on, the connection of a poll could use the port before a server listens on it.
_CANDIDATES = itertools.cycle(range(21_000, 31_000))


def free_port() -> int:
    """Return a port of loopback on which no process listens."""
    for port in _candidates():
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


def _candidates() -> Iterator[int]:
    return itertools.islice(_CANDIDATES, 10_000)
