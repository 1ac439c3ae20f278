"""Other readings of recorded octets: what decoding and inflating them gives.

A search looks at the octets as they are and at each reading. This undoes layers that cannot be
computed in advance, because what surrounds a value is not known: compression above all.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_INFLATED: Final = 1_000_000  # octets of one inflated reading: a bomb shows no more than this
_DEPTH: Final = 2
_MOST: Final = 200  # readings of one string, so that hostile input takes bounded time

_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2}){12,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_ESCAPE: Final = re.compile(rb"%[0-9a-fA-F]{2}")
_WORD: Final = re.compile(rb"[^\s&=]+")  # no backtracking: hostile input is read once
_GZIP: Final = re.compile(rb"\x1f\x8b\x08")
_ZLIB: Final = re.compile(rb"\x78[\x01\x5e\x9c\xda]")


@dataclass(frozen=True, slots=True)
class View:
    """A reading: how it was made from which offset of the recorded octets (outermost first)."""

    chain: tuple[str, ...]
    offset: int
    octets: bytes


def view(octets: bytes) -> tuple[View, ...]:
    """List the octets themselves and what up to two decoding steps make of them."""
    found = [View((), 0, octets)]
    seen = {octets}
    for seeing in found:  # grows while it is walked
        if len(seeing.chain) == _DEPTH:
            continue
        for name, offset, inner in _readings(seeing.octets):
            if len(found) >= _MOST:
                return tuple(found)
            if len(inner) >= 6 and inner not in seen:
                seen.add(inner)
                # Offsets name the recorded octets, so only the outermost step moves them.
                at = seeing.offset if seeing.chain else offset
                found.append(View((*seeing.chain, name), at, inner))
    return tuple(found)


def _readings(octets: bytes) -> Iterator[tuple[str, int, bytes]]:
    for name, pattern, window in (("gunzip", _GZIP, 31), ("inflate zlib", _ZLIB, 15)):
        for match in pattern.finditer(octets):
            yield name, match.start(), _inflate(octets[match.start() :], window)
    body = octets.find(b"\r\n\r\n")
    if body >= 0:
        yield "inflate", body + 4, _inflate(octets[body + 4 :], -15)
    elif octets:
        yield "inflate", 0, _inflate(octets, -15)
    for match in _WORD.finditer(octets):
        if _ESCAPE.search(match[0]):
            yield "unescape url", match.start(), _ESCAPE.sub(_unescape, match[0])
    for match in _HEX.finditer(octets):
        yield "decode base16", match.start(), bytes.fromhex(match[0].decode())
    for match in _BASE64.finditer(octets):
        for shift in range(4):
            yield "decode base64", match.start() + shift, _decode(match[0][shift:])


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[0][1:].decode())


def _inflate(octets: bytes, window: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(octets, _INFLATED)
    except zlib.error:
        return b""


def _decode(text: bytes) -> bytes:
    whole = text[: len(text) // 4 * 4] + (text[len(text) // 4 * 4 :] + b"==")[:4]
    if len(text) % 4 < 2:
        whole = text[: len(text) // 4 * 4]
    try:
        return base64.b64decode(whole.translate(bytes.maketrans(b"-_", b"+/")))
    except binascii.Error:
        return b""
