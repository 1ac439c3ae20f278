"""Windows of eight bytes: what the canary search looks up, and keeps of bytes that repeat."""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from struct import Struct
from typing import Final

from client_sim.lab.oracles.views import view

WINDOW: Final = 8
"""Bytes; what is shorter has too little entropy to be looked for."""


_MANY: Final = 64  # windows that are cut in one call: texts have thousands
_CUTS: Final = [Struct(f"{WINDOW}s" * windows) for windows in range(_MANY + 1)]
_MOST: Final = 1_000_000  # windows that are kept: a quarter of a GiB
_LINES: Final = re.compile(rb"[^\n\xf5]*[\n\xf5]|[^\n\xf5]+")  # 0xF5 ends those of a complement


@lru_cache(maxsize=256)
def find_windows(data: bytes) -> tuple[tuple[bytes, ...], frozenset[bytes], frozenset[bytes]]:
    """Return all readings of the bytes, all their windows, and those of their differences."""
    readings = tuple(seen.data for seen in view(data))
    return readings, _slide(readings), _slide(map(step_differences, readings))


class Windows:
    """All windows of the texts that were seen so far: many owners' phones send the same texts.

    What is in none of them is in no text, so a search for another owner's values, which were not
    sent, reads their beginnings and no text. `found` and `deltas` are as `find_windows` gives them.
    After `most` windows they begin anew: a client that leaks sends ever new texts.

    Texts that differ share most of their lines. Each line is cut once, together with the bytes
    after it into which its last windows reach.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self.found: set[bytes] = set()
        self.deltas: set[bytes] = set()
        self._texts: set[bytes] = set()
        self._lines: set[bytes] = set()

    def add(self, texts: Collection[bytes]) -> None:
        """Keep the windows of these texts, too."""
        if len(self.found) > self._most:
            for kept in (self.found, self.deltas, self._texts, self._lines):
                kept.clear()
        for text in texts:
            if text not in self._texts:
                new = {line for seen in view(text) for line in _cut(seen.data)} - self._lines
                self.found |= _slide(new)
                self.deltas |= _slide(map(step_differences, new))
                self._lines |= new
                self._texts.add(text)


def _cut(data: bytes) -> Iterator[bytes]:
    """Give lines, each with the bytes after it that windows of differences reach into."""
    for line in _LINES.finditer(data):
        yield data[line.start() : line.end() + WINDOW]


def _slide(texts: Iterable[bytes]) -> frozenset[bytes]:
    found: set[bytes] = set()
    for text in texts:
        # Those that begin at 0, 8, 16 and so on lie side by side, and so do those at 1, 9, 17.
        for first in range(WINDOW):
            left = (len(text) - first) // WINDOW
            for at in range(0, left, _MANY):
                cut = _CUTS[min(_MANY, left - at)]
                found.update(cut.unpack_from(text, first + at * WINDOW))
    return frozenset(found)


def step_differences(data: bytes) -> bytes:
    """Return the XOR of neighbours, which an XOR of all bytes with one does not change."""
    if len(data) < 2:
        return b""
    number, length = int.from_bytes(data, "big"), len(data) - 1
    return ((number >> 8 ^ number) & (1 << 8 * length) - 1).to_bytes(length, "big")
