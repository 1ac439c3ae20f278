"""Windows of eight octets: what the canary search looks up, and keeps of octets that repeat."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from client_sim.lab.oracles.views import view

WINDOW: Final = 8
"""Octets; what is shorter has too little entropy to be looked for."""


@lru_cache(maxsize=1024)
def find_windows(octets: bytes) -> tuple[tuple[bytes, ...], frozenset[bytes], frozenset[bytes]]:
    """Give all readings of the octets, all their windows, and those of their differences."""
    readings = tuple(seen.octets for seen in view(octets))
    return readings, _slide(readings), _slide(map(step_differences, readings))


def _slide(texts: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(
        text[at : at + WINDOW] for text in texts for at in range(len(text) - WINDOW + 1)
    )


def step_differences(octets: bytes) -> bytes:
    """Give the XOR of neighbours, which an XOR of all octets with one does not change."""
    if len(octets) < 2:
        return b""
    number, length = int.from_bytes(octets, "big"), len(octets) - 1
    return ((number >> 8 ^ number) & (1 << 8 * length) - 1).to_bytes(length, "big")
