"""The ciphertext gate: refuse a body that is not ciphertext before it is stored.

It protects owners against a broken client. It proves nothing: weak encryption passes. A body is
refused if it begins like a known file format, or if its byte frequencies are not those of random
bytes. Counting costs 40 ns per byte, so at most the first 64 KiB are counted. Most bodies are
short; for these a sample of every fifth byte is examined first (ADR 80).
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from operator import mul
from typing import Final

from server.cloud.errors import CloudError

LEAST: Final = 1024
"""Minimum size of a body to judge, in bytes; shorter ones have too few bytes for statistics."""
SAMPLE: Final = 64 * 1024
"""Number of bytes judged at the start of a longer body."""
SHORT: Final = 2048
"""Maximum size of a body, in bytes, that passes if its sample looks random (ADR 80)."""
IN_LOOP: Final = 256 * 1024
"""Maximum bytes per request to count in the event loop, which takes 10 ms; more use a thread."""
MAX_SIGMA: Final = 8.0
"""Maximum deviation of chi-square, in standard deviations.

Of random bodies, 1 in 60 billion exceeds it.
"""
_FREEDOM = 255
_USUAL_SIGMA = 2.5  # one in eighty short ciphertexts is still counted
_CONTAINER = re.compile(
    # Each pattern fixes about 40 bits or more, so ciphertext does not match it by chance.
    rb"\xff\xd8\xff[\xe0\xe1]..(?:JFIF|Exif)"
    rb"|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....(?:WEBP|WAVE|AVI )|\x00\x00\x00.ftyp"
    rb"|PK\x03\x04[\x00-\x3f]\x00|\x1f\x8b\x08[\x00\x08]....[\x00\x02\x04][\x00-\x0d\xff]"
    rb"|\xfd7zXZ\x00|7z\xbc\xaf\x27\x1c|BZh[1-9]1AY&SY|\x28\xb5\x2f\xfd.\x00"
    rb"|\x5d\x00\x00..(?:\xff{8}|.....\x00\x00\x00)"
    rb"|%PDF-|SQLite format 3\x00|OggS\x00|fLaC\x00\x00\x00|ID3[\x02-\x04]\x00.[\x00-\x7f]{4}"
    rb"|\x1aE\xdf\xa3(?:[\x80-\xff]|\x01.{7})\x42\x86"
    rb"|II\*\x00.\x00\x00\x00|MM\x00\*\x00\x00\x00|\x7fELF[\x01\x02]\x01",
    re.DOTALL,
)
_AGE = re.compile(rb"age-encryption\.org/v1\n(?:[!-~ ]{1,200}\n){1,64}?--- [!-~]{43}\n")
"""The header of an age file, which is text; the bytes after it are ciphertext."""


def check_ciphertext(body: bytes, label: str) -> None:
    """Raise CloudError if `body`, or its first 64 KiB, is not ciphertext; `label` names it."""
    if not looks_random(body):
        raise CloudError(
            422,
            "not_ciphertext",
            f"{label} is not encrypted; nothing was stored. The program that sent it is broken.",
        )


async def check_all(kinds: Mapping[str, Mapping[str, bytes]]) -> None:
    """Check all bodies, given as kind → name → body; raises CloudError for the first bad one.

    More than `IN_LOOP` bytes are counted in a thread, so that other requests are not delayed.
    """
    size = sum(min(len(body), SAMPLE) for bodies in kinds.values() for body in bodies.values())
    if size > IN_LOOP:
        await asyncio.to_thread(_check_each, kinds)
    else:
        _check_each(kinds)


def _check_each(kinds: Mapping[str, Mapping[str, bytes]]) -> None:
    for kind, bodies in kinds.items():
        for name, body in bodies.items():
            if len(body) >= LEAST:
                check_ciphertext(body, f"{kind} {name}")


def looks_random(body: bytes) -> bool:
    """Return whether a body can be ciphertext."""
    if len(body) < LEAST:
        return True
    header = _AGE.match(body)
    sample = body[header.end() if header else 0 :][:SAMPLE]
    if len(sample) < LEAST:
        return True
    if _CONTAINER.match(sample) is not None:
        return False
    if len(sample) <= SHORT and _has_usual_values(sample[::5]):
        return True
    return measure_sigma(sample) <= MAX_SIGMA


def measure_sigma(body: bytes) -> float:
    """Return how far the byte frequencies are from random, in standard deviations of chi-square."""
    counts = Counter(body).values()
    squares: int = sum(map(mul, counts, counts))
    chi_square = squares * 256 / len(body) - len(body)
    return abs(chi_square - _FREEDOM) / math.sqrt(2 * _FREEDOM)


def _has_usual_values(body: bytes) -> bool:
    """Return whether a body has about as many distinct bytes as a random one of its length."""
    expected, deviation = _usual_values(len(body))
    return abs(len(set(body)) - expected) <= _USUAL_SIGMA * deviation


@cache
def _usual_values(length: int) -> tuple[float, float]:
    """Return mean and standard deviation of the number of distinct values in `length` bytes."""
    load = length / 256
    missing = math.exp(-load)
    return 256 * (1 - missing), math.sqrt(256 * missing * (1 - (1 + load) * missing))
