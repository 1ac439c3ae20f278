"""The canary search: finds planted values in recorded bytes, also if encoded or hashed.

Comparing two personas finds the same leaks, but this search names the value and its encoding. All
tokens are computed in advance, and each window of eight bytes is looked up. Computing takes 0.05 s
of processor time for a persona with one layer of encodings, and 1.5 s with two. A search takes 6 ms
for each KiB, or 0.1 ms if the same bytes were searched before, for any persona. For a whole run
that sent the same as others, 0.1 ms are enough to rule out all values of its owner.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeAlias

from client_sim.lab.oracles.transforms import (
    DIGESTS,
    ENOUGH,
    ROTATIONS,
    TRANSFORMS,
    Transform,
    salted_digests,
    spell,
)
from client_sim.lab.oracles.views import WINDOW, View, Windows, find_windows, step_differences, view

_HIDDEN: Final[Mapping[str, Transform]] = {
    "": bytes,
    "base16": TRANSFORMS["base16"],
    "BASE16": TRANSFORMS["BASE16"],
    "base64": base64.b64encode,
    "reversed": TRANSFORMS["reversed"],
    "upper": TRANSFORMS["upper"],
}
"""Encodings of which up to two are tried under a digest, which cannot be undone."""
_CHAINS: Final[tuple[tuple[str, ...], ...]] = (
    *((), *((name,) for name in TRANSFORMS)),
    *product(TRANSFORMS, repeat=2),
)
"""The chains of transforms that make tokens; a token stores the index of its chain."""
_USUAL: Final = ("md5", "sha1", "sha256")
_Planted: TypeAlias = tuple[str, bytes, str, bytes]
"""A field, its value, the name of a spelling ("" for the value itself), and the spelling."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A planted value that was sent: `data` stand at `offset` of the recorded bytes.

    `chain` names the steps by which the value was encoded, in order. If the search had to decode,
    for example with `gunzip`, `offset` is the start of the encoded bytes and `data` are decoded.
    """

    field: str
    value: bytes
    chain: tuple[str, ...]
    offset: int
    data: bytes


class CanarySearch:
    """A search for the values of one persona, by field.

    `layers` is the number of transforms computed in advance, 0 to 2. Decoding the recorded bytes
    undoes up to two more.
    """

    def __init__(self, values: Mapping[str, tuple[bytes, ...]], layers: int = 2) -> None:
        self._index: dict[bytes, list[tuple[int, int]]] = {}
        self._deltas: dict[bytes, list[int]] = {}
        self._spelled: list[_Planted] = [
            (field, value, spelling, spelled)
            for field, own in values.items()
            for value in own
            for spelling, spelled in spell(value)
        ]
        self._digested: set[int] = set()
        self._chains = list(_CHAINS)
        for place, (_, _, _, spelled) in enumerate(self._spelled):
            self._add_tokens(place, spelled, layers)
            self._deltas.setdefault(step_differences(spelled[: WINDOW + 1]), []).append(place)
        for field, own in values.items():
            for value in own:
                if layers > 0:
                    self._add_rotations(field, value)
                if layers > 1:
                    self._add_digests(field, value, values)

    def is_absent(self, seen: Windows) -> bool:
        """Return whether none of the texts seen can contain a value; much cheaper than a search."""
        return self._index.keys().isdisjoint(seen.found) and self._deltas.keys().isdisjoint(
            seen.deltas
        )

    def search_again(self, data: bytes) -> tuple[Sighting, ...]:
        """Return what `search` returns; fast if the same bytes are searched for many personas."""
        readings, windows, deltas = find_windows(data)
        known = self._index.keys() & windows
        if self._deltas.keys().isdisjoint(deltas) and not any(
            self._is_there(window, [text for text in readings if window in text])
            for window in known
        ):
            return ()
        return self.search(data)

    def _is_there(self, window: bytes, readings: Sequence[bytes]) -> bool:
        """Return whether one of the readings contains a token that begins with `window`."""
        for place, number in self._index[window]:
            whole = _dress(self._spelled[place][3], self._chains[number])
            needed = self._needed(place, number, len(whole))
            if any(whole[:needed] in text for text in readings):
                return True
        return False

    def _needed(self, place: int, number: int, length: int) -> int:
        """Return how many bytes of a token must match: 64 bits of a digest, else all bytes."""
        chain = self._chains[number]
        steps = ("sha256", *chain) if place in self._digested else chain
        if steps and steps[-1] in DIGESTS:
            return WINDOW
        if len(steps) > 1 and steps[-2] in DIGESTS:
            return min(length, ENOUGH.get(steps[-1], length))
        return length

    def search(self, data: bytes) -> tuple[Sighting, ...]:
        """Find all planted values, each in the readings with the fewest steps, by offset."""
        return self.search_readings(view(data))

    def search_readings(self, readings: Iterable[View]) -> tuple[Sighting, ...]:
        """Return what `search` returns, for readings made by `view`."""
        found: dict[tuple[str, bytes], list[Sighting]] = {}
        for seen in readings:
            for sighting in (*self._plain(seen), *self._xored(seen)):
                found.setdefault((sighting.field, sighting.value), []).append(sighting)
        return tuple(
            sorted(
                (sighting for own in found.values() for sighting in _best(own)),
                key=lambda sighting: (sighting.offset, sighting.field),
            )
        )

    def _add_tokens(self, place: int, spelled: bytes, layers: int) -> None:
        index, window = self._index, WINDOW
        index.setdefault(spelled[:window], []).append((place, 0))
        if layers == 0:
            return
        seen = {spelled}
        firsts = [transform(spelled) for transform in TRANSFORMS.values()]
        for number, token in enumerate(firsts, 1):
            if len(token) >= window and token not in seen:
                seen.add(token)
                index.setdefault(token[:window], []).append((place, number))
        if layers == 1:
            return
        number = len(firsts)
        for token in firsts:
            for transform in TRANSFORMS.values():
                number += 1
                if token:
                    second = transform(token)
                    if len(second) >= window and second not in seen:
                        seen.add(second)
                        index.setdefault(second[:window], []).append((place, number))

    def _add_rotations(self, field: str, value: bytes) -> None:
        """Add a value with rotated digits, plain and under one transform."""
        for name, rotate in ROTATIONS.items():
            rotated = rotate(value)
            if rotated:
                self._spelled.append((field, value, name, rotated))
                self._add_tokens(len(self._spelled) - 1, rotated, 1)

    def _add_digests(
        self, field: str, value: bytes, values: Mapping[str, tuple[bytes, ...]]
    ) -> None:
        """Add salted digests, and digests under longer chains than other tokens have."""
        for first, second, digest in product(_HIDDEN, _HIDDEN, _USUAL):
            inner = _HIDDEN[second](_HIDDEN[first](value))
            steps = tuple(filter(None, (first, second, digest)))
            self._add_digest(field, value, steps, DIGESTS[digest](inner))
        for steps, data in salted_digests(field, value, values):
            self._add_digest(field, value, steps, data)

    def _add_digest(self, field: str, value: bytes, steps: tuple[str, ...], digest: bytes) -> None:
        place = len(self._spelled)
        self._spelled.append((field, value, " → ".join(steps), digest))
        self._digested.add(place)
        self._index.setdefault(digest[:WINDOW], []).append((place, 0))
        for number, name in enumerate(TRANSFORMS, 1):
            if name in ENOUGH:
                token = TRANSFORMS[name](digest)
                self._index.setdefault(token[:WINDOW], []).append((place, number))

    def _plain(self, seen: View) -> Iterator[Sighting]:
        data, index, window = seen.data, self._index, WINDOW
        for offset in range(len(data) - window + 1):
            hits = index.get(data[offset : offset + window])
            for place, number in hits or ():
                planted, chain = self._spelled[place], self._chains[number]
                whole = _dress(planted[3], chain)
                length = _common(whole, data[offset : offset + len(whole)])
                if length >= self._needed(place, number, len(whole)):
                    cut = () if length == len(whole) else (f"first {length} of {len(whole)}",)
                    yield _sighting(planted, (*chain, *cut), seen, offset, length)

    def _xored(self, seen: View) -> Iterator[Sighting]:
        """Find values under XOR with one byte, which keeps the differences of neighbours."""
        deltas = step_differences(seen.data)
        for offset in range(len(deltas) - WINDOW + 1):
            for place in self._deltas.get(deltas[offset : offset + WINDOW], ()):
                planted = self._spelled[place]
                spelled = planted[3]
                key = spelled[0] ^ seen.data[offset]
                there = seen.data[offset : offset + len(spelled)]
                if key and there == bytes(byte ^ key for byte in spelled):
                    yield _sighting(planted, (f"xor {key:02x}",), seen, offset, len(spelled))


def _dress(spelled: bytes, chain: tuple[str, ...]) -> bytes:
    for name in chain:
        spelled = TRANSFORMS[name](spelled)
    return spelled


def _sighting(
    planted: _Planted, chain: tuple[str, ...], seen: View, offset: int, length: int
) -> Sighting:
    field, value, spelling, _ = planted
    # The client applied the steps that the search undid last, in the opposite order.
    dressed = tuple(f"undone by {name}" for name in reversed(seen.chain))
    return Sighting(
        field=field,
        value=value,
        chain=(*filter(None, (spelling,)), *chain, *dressed),
        offset=seen.offset if seen.chain else offset,
        data=seen.data[offset : offset + length],
    )


def _best(sightings: list[Sighting]) -> list[Sighting]:
    fewest = min(len(sighting.chain) for sighting in sightings)
    by_offset: dict[int, Sighting] = {}
    for sighting in sightings:
        if len(sighting.chain) == fewest:
            known = by_offset.get(sighting.offset)
            if known is None or len(known.data) < len(sighting.data):
                by_offset[sighting.offset] = sighting
    return list(by_offset.values())


def _common(first: bytes, second: bytes) -> int:
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)
