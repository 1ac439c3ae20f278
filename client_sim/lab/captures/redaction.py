"""Bytes that may be shown to others: what could be about the owner is covered, byte by byte."""

import re
from collections.abc import Iterable
from typing import Final

COVER: Final = b"*"

# What identifiers look like: addresses of people, digits with separators, runs of a base-16,
# base-32 or base-64 alphabet that have a digit in them. Words stay readable.
_LOOKS_PERSONAL: Final = re.compile(
    rb"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"
    rb"|[^\s@&=:;,/]{1,64}(?:@|%40)[^\s&=;,/]{1,255}"
    rb"|(?:\+|%2[Bb])?[0-9](?:[0-9. :-]|%2[0dDeE]){4,40}[0-9]"
    rb"|(?=[A-Za-z+_%-]{0,40}[0-9])[A-Za-z0-9+_%-]{12,}={0,2}"
)
_KEPT: Final = re.compile(rb"[0-9a-f]{64}\.[A-Za-z0-9._-]+\.zip|[1-9][0-9]{0,15}\.root\.json")


def redact(data: bytes, found: Iterable[tuple[int, int]]) -> bytes:
    """Cover what was found (offset, length) and whatever looks like an identifier.

    The result has the same length, so that offsets stay what they are.
    """
    covered = bytearray(data)
    kept = {place for match in _KEPT.finditer(data) for place in range(*match.span())}
    for match in _LOOKS_PERSONAL.finditer(data):
        if match.start() not in kept:
            covered[match.start() : match.end()] = COVER * len(match[0])
    for offset, length in found:
        start = max(0, offset)
        stop = max(start, min(len(data), offset + length))
        covered[start:stop] = COVER * (stop - start)
    return bytes(covered)


def show_value(value: bytes, *, personal: bool) -> str:
    """Return a value for a sentence: as it is, or how long it is."""
    if personal:
        return value.decode("utf-8", "backslashreplace")
    return f"[{len(value)} bytes, not shown]"
