"""Ports of loopback for programs that do not take port 0."""

import random
import socket
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST = 10_000


def free_port() -> int:
    """Return a port on which no process listens, below those that the kernel gives out itself.

    Between this call and the program's own `bind` no connection of another test can take it.
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
    """Return `count` different ports as `free_port` finds them."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)
