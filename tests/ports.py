"""Free loopback ports for programs that cannot listen on port 0."""

import random
import socket
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST = 10_000


def free_port() -> int:
    """Return a port on which no process listens, below the kernel's ephemeral range.

    Until the program calls `bind`, no connection of another test can take the port.
    """
    kernels_first = int(EPHEMERAL.read_text().split()[0])
    while True:
        port = random.randrange(FIRST, kernels_first)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def free_ports(count: int) -> list[int]:
    """Return `count` different free ports, found as by `free_port`."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)
