"""Readings of recorded bytes, and their windows of eight bytes, which the canary search looks up.

A reading is the bytes themselves, or the result of decoding or inflating them. Decoding undoes
encodings that depend on the bytes around a value, such as compression, and so cannot be computed in
advance.
"""

import base64
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from struct import Struct
from typing import Final

_INFLATED: Final = 1_000_000  # bytes of one inflated reading: limits decompression bombs
_PIECE: Final = 4096
_SHORT: Final = 512  # longest word whose readings are cached, in bytes
_FED: Final = 64 * 1024 * 1024  # bytes that are tried for one kind of compression
_DEPTH: Final = 2
_MOST: Final = 300  # readings of one string: bounds the time for hostile input
_BYTES: Final = 256 * 1024 * 1024  # of all readings of one string: bounds the memory

_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2}){12,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_BASE32: Final = re.compile(rb"[A-Z2-7]{16,}|[a-z2-7]{16,}")
_ENTITY: Final = re.compile(rb"&#(?:([0-9]{1,3})|[xX]([0-9a-fA-F]{2}));")
_JSON: Final = re.compile(rb"\\u00([0-9a-fA-F]{2})")
_NUMBERS: Final = re.compile(rb"[0-9]{1,3}(?:[., ][0-9]{1,3}){7,}")
_ESCAPE: Final = re.compile(rb"%[0-9a-fA-F]{2}")
_WORD: Final = re.compile(rb"[^\s&=]+")  # no backtracking: hostile input is read once
_GZIP: Final = re.compile(rb"\x1f\x8b\x08")
_ZLIB: Final = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_ROT13: Final = bytes(
    (o - 65 + 13) % 26 + 65 if 65 <= o <= 90 else (o - 97 + 13) % 26 + 97 if 97 <= o <= 122 else o
    for o in range(256)
)
_ROT47: Final = bytes((o - 33 + 47) % 94 + 33 if 33 <= o <= 126 else o for o in range(256))
_COMPLEMENT: Final = bytes(255 - byte for byte in range(256))
WINDOW: Final = 8
"""Bytes of a window; shorter values have too little entropy to be searched."""
_MANY: Final = 64  # windows that are cut in one call: texts have thousands
_CUTS: Final = [Struct(f"{WINDOW}s" * windows) for windows in range(_MANY + 1)]
_KEPT: Final = 1_000_000  # cached windows: a quarter of a GiB
_LINES: Final = re.compile(rb"[^\n\xf5]*[\n\xf5]|[^\n\xf5]+")  # 0xF5 is the complement of a newline


@dataclass(frozen=True, slots=True)
class View:
    """A reading: its decoding steps (outermost first), its place in what was recorded, its data."""

    chain: tuple[str, ...]
    offset: int
    data: bytes


def view(data: bytes) -> tuple[View, ...]:
    """Return the bytes themselves and the results of up to two decoding steps."""
    found = [View((), 0, data)]
    seen = {data}
    total = len(data)
    for seeing in found:  # grows during the loop
        if len(seeing.chain) == _DEPTH:
            break  # all later ones have as many steps
        readings = _readings(seeing.data)
        if not seeing.chain:
            readings = chain(readings, _turned(data))
        for name, offset, inner in readings:
            if len(found) >= _MOST or total > _BYTES:
                return tuple(found)
            if len(inner) >= 6 and inner not in seen:
                seen.add(inner)
                total += len(inner)
                # Offsets name the recorded bytes, so only the outermost step moves them.
                at = seeing.offset if seeing.chain else offset
                found.append(View((*seeing.chain, name), at, inner))
    return tuple(found)


def _readings(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    for name, pattern, window in (("gunzip", _GZIP, 31), ("inflate zlib", _ZLIB, 15)):
        left = _FED
        for match in pattern.finditer(data):
            if left <= 0:
                break
            inner, fed = _inflate(memoryview(data)[match.start() :], window)
            left -= fed
            yield name, match.start(), inner
    body = data.find(b"\r\n\r\n")
    if body >= 0:
        yield "inflate", body + 4, _inflate(memoryview(data)[body + 4 :], -15)[0]
    elif data:
        yield "inflate", 0, _inflate(memoryview(data), -15)[0]
    yield from _unescaped(data)
    yield from _decoded(data)


def _unescaped(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yield the data with escapes decoded and all other bytes unchanged."""
    for match in _WORD.finditer(data):
        if _ESCAPE.search(match[0]):
            yield "unescape url", match.start(), _ESCAPE.sub(_unescape, match[0])
    if _ENTITY.search(data):
        yield "decode html", 0, _ENTITY.sub(_entity, data)
    if _JSON.search(data):
        yield "decode json", 0, _JSON.sub(_hexadecimal, data)


def _decoded(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yield the decoded runs of base16, base64, base32 and decimal digits."""
    for match in _HEX.finditer(data):
        yield "decode base16", match.start(), bytes.fromhex(match[0].decode())
    for match in _BASE64.finditer(data):
        for shift, inner in enumerate(_shift(match[0], _decode, 4)):
            yield "decode base64", match.start() + shift, inner
    for match in _BASE32.finditer(data):
        for shift, inner in enumerate(_shift(match[0], _decode32, 8)):
            yield "decode base32", match.start() + shift, inner
    for match in _NUMBERS.finditer(data):
        values = [int(number) for number in re.split(rb"[., ]", match[0])]
        if max(values) < 256:
            yield "decode decimal", match.start(), bytes(values)


def _turned(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yield the whole data with reversals, rotations and the like undone."""
    yield "reverse", 0, data[::-1]
    yield "rot13", 0, data.translate(_ROT13)
    yield "rot47", 0, data.translate(_ROT47)
    yield "complement", 0, data.translate(_COMPLEMENT)
    for shift in range(2):
        even = shift + (len(data) - shift) // 2 * 2
        swapped = bytearray(data)
        swapped[shift:even:2], swapped[shift + 1 : even : 2] = (
            data[shift + 1 : even : 2],
            data[shift:even:2],
        )
        yield "swap pairs", 0, bytes(swapped)
    if b"\x00" in data:
        yield "decode utf-16", 0, data.replace(b"\x00", b"")
    if b" " in data:
        yield "without spaces", 0, data.replace(b" ", b"")


def _entity(match: re.Match[bytes]) -> bytes:
    number = int(match[1]) if match[1] else int(match[2], 16)
    return bytes([number]) if number < 256 else match[0]


def _hexadecimal(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())


def _shift(word: bytes, decode: Callable[[bytes], bytes], shifts: int) -> Iterable[bytes]:
    """Return the word decoded from each of its first `shifts` bytes on; short words are cached."""
    if len(word) <= _SHORT:
        return _shift_once(word, decode, shifts)
    return (decode(word[shift:]) for shift in range(shifts))


@lru_cache(8_192)
def _shift_once(word: bytes, decode: Callable[[bytes], bytes], shifts: int) -> tuple[bytes, ...]:
    return tuple(decode(word[shift:]) for shift in range(shifts))


def _decode32(text: bytes) -> bytes:
    whole = text[: len(text) // 8 * 8].upper()
    return base64.b32decode(whole)


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[0][1:].decode())


def _inflate(data: memoryview, window: int) -> tuple[bytes, int]:
    """Return the inflated data, empty if they are damaged, and the number of bytes read.

    It reads in pieces: otherwise hostile input would be read to its end for each supposed header.
    """
    machine = zlib.decompressobj(window)
    found: list[bytes] = []
    size = fed = 0
    try:
        while fed < len(data) and size < _INFLATED and not machine.eof:
            piece = data[fed : fed + _PIECE]
            fed += len(piece)
            found.append(machine.decompress(piece, _INFLATED - size))
            size += len(found[-1])
    except zlib.error:
        found.clear()
    return b"".join(found), fed


def _decode(text: bytes) -> bytes:
    if len(text) % 4 == 1:  # six bits are no byte
        text = text[:-1]
    # The decoder ignores padding beyond what is needed.
    return base64.b64decode(text.translate(bytes.maketrans(b"-_", b"+/")) + b"==")


@lru_cache(maxsize=256)
def find_windows(data: bytes) -> tuple[tuple[bytes, ...], frozenset[bytes], frozenset[bytes]]:
    """Return all readings of the bytes, their windows, and the windows of their differences."""
    readings = tuple(seen.data for seen in view(data))
    return readings, _slide(readings), _slide(map(step_differences, readings))


class Windows:
    """A cache of the windows of all texts seen so far: phones of many owners send the same texts.

    If no window of a value is in the cache, no text contains the value, and none has to be searched
    for it. `found` and `deltas` are sets as `find_windows` returns them. The cache is emptied after
    `most` windows, because a leaky client sends ever new texts.

    Different texts share most of their lines. Each line is cut once, with the bytes after it that
    its last windows cover.
    """

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self.found: set[bytes] = set()
        self.deltas: set[bytes] = set()
        self._texts: set[bytes] = set()
        self._lines: set[bytes] = set()

    def add(self, texts: Collection[bytes]) -> None:
        """Add the windows of these texts."""
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
    """Yield lines, each with the following bytes that its windows of differences cover."""
    for line in _LINES.finditer(data):
        yield data[line.start() : line.end() + WINDOW]


def _slide(texts: Iterable[bytes]) -> frozenset[bytes]:
    found: set[bytes] = set()
    for text in texts:
        # Windows at 0, 8, 16 … do not overlap and are cut in one call, then those at 1, 9, 17 …
        for first in range(WINDOW):
            left = (len(text) - first) // WINDOW
            for at in range(0, left, _MANY):
                cut = _CUTS[min(_MANY, left - at)]
                found.update(cut.unpack_from(text, first + at * WINDOW))
    return frozenset(found)


def step_differences(data: bytes) -> bytes:
    """Return the XOR of neighbouring bytes, which an XOR of all bytes with one does not change."""
    if len(data) < 2:
        return b""
    number, length = int.from_bytes(data, "big"), len(data) - 1
    return ((number >> 8 ^ number) & (1 << 8 * length) - 1).to_bytes(length, "big")
