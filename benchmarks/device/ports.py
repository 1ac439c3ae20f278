"""Free ports to listen on, below those that connections take by themselves."""

import itertools
import socket
from collections.abc import Iterator

# From 32768 on, a poll with a connection of its own could take the port that a server wants.
_CANDIDATES = itertools.cycle(range(21_000, 31_000))


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
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
