"""The canary search made fast for what a server keeps: gigabytes without a match, mostly.

All windows of eight bytes are looked up in one pass, as numbers; only where one is known does the
search go byte by byte.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.canary import CanarySearch, Sighting
from client_sim.lab.oracles.transforms import DIGESTS, ENOUGH, TRANSFORMS
from client_sim.lab.oracles.views import View

Values = Mapping[str, tuple[bytes, ...]]

_WINDOW: Final = 8
_STEP: Final = 1024
_OVERLAP: Final = 512  # bytes: a value in the longest of the usual encodings fits in


class Sieve(CanarySearch):
    """A search for values in large amounts of data.

    `halves` are looked for under one transform, for values that a short field cut off. `wholes` are
    longer pieces in which a value stands: they are looked for as digests, which do not show it.
    """

    def __init__(self, values: Values, halves: Values, wholes: Values, layers: int) -> None:
        super().__init__(values, layers)
        for field, piece in _pairs(halves):
            self._spelled.append((field, piece, "", piece))
            self._add_tokens(len(self._spelled) - 1, piece, min(layers, 1))
        first = len(self._chains)
        chains = [chain for digest in DIGESTS for chain in ((digest,), *_encoded(digest))]
        self._chains += chains
        for field, piece in _pairs(wholes):
            self._spelled.append((field, piece, "", piece))
            place = len(self._spelled) - 1
            for number, chain in enumerate(chains, first):
                data = DIGESTS[chain[0]](piece)
                for name in chain[1:]:
                    data = TRANSFORMS[name](data)
                self._index.setdefault(data[:_WINDOW], []).append((place, number))
        self._numbers = _as_numbers(self._index)
        self._steps = _as_numbers(self._deltas)

    def find(self, data: bytes) -> Iterator[Sighting]:
        """Find values in a string of any length, also where they are encoded or compressed.

        It is read in pieces, so that the decodings that are tried of one piece are bounded.
        """
        for start in range(0, max(len(data) - _OVERLAP, 1), _STEP):
            for sighting in self.search(data[start : start + _STEP + _OVERLAP]):
                yield replace(sighting, offset=start + sighting.offset)

    def _plain(self, seen: View) -> Iterator[Sighting]:
        if _has_any(self._numbers, seen.data):
            yield from super()._plain(seen)

    def _xored(self, seen: View) -> Iterator[Sighting]:
        length = len(seen.data)
        if length <= _WINDOW:
            return
        number = int.from_bytes(seen.data, "big")
        steps = ((number >> 8) ^ number) & ((1 << (8 * length - 8)) - 1)
        if _has_any(self._steps, steps.to_bytes(length - 1, "big")):
            yield from super()._xored(seen)


def _pairs(values: Values) -> Iterator[tuple[str, bytes]]:
    return ((field, piece) for field, own in values.items() for piece in own)


def _encoded(digest: str) -> Iterator[tuple[str, str]]:
    return ((digest, name) for name in ENOUGH)


def _as_numbers(keys: Mapping[bytes, object]) -> frozenset[int]:
    return frozenset(int.from_bytes(key, sys.byteorder) for key in keys if len(key) == _WINDOW)


def _has_any(numbers: frozenset[int], data: bytes) -> bool:
    view = memoryview(data)
    return not all(
        numbers.isdisjoint(view[shift : shift + (len(data) - shift) // 8 * 8].cast("Q"))
        for shift in range(min(_WINDOW, len(data) - _WINDOW + 1))
    )
