"""The gate: a body that is not ciphertext is refused before it is stored.

It protects owners whose client is broken and proves nothing: bad encryption passes. A body is
refused if it begins like a known container, or if its byte counts are not those of random bytes.
Counting costs 40 ns a byte, so only the first 64 KiB of a longer body are counted. Most bodies are
short, and of these only a sample of every fifth byte is looked at first (ADR 80).
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
"""Bytes from which on a body is judged: a shorter one says little."""
SAMPLE: Final = 64 * 1024
"""Bytes of a longer body that are judged."""
SHORT: Final = 2048
"""Bytes up to which a body whose sample looks random is not counted (ADR 80)."""
IN_LOOP: Final = 256 * 1024
"""Bytes of a request up to which they are counted in the event loop; it takes 10 ms."""
MAX_SIGMA: Final = 8.0
"""Standard deviations of chi-square above which bytes are not random: 1 in 60 billion bodies is."""
_FREEDOM = 255
_USUAL_SIGMA = 2.5  # one short body of ciphertext in eighty is counted
_CONTAINER = re.compile(
    # Each needs about 40 bits or more, so that no ciphertext begins like that by chance.
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
"""The header of an age file, which is text; what follows is ciphertext."""


def check_ciphertext(body: bytes, what: str) -> None:
    """Raise CloudError if `body`, or its first 64 KiB, is no ciphertext; `what` names it."""
    if not looks_random(body):
        raise CloudError(
            422,
            "not_ciphertext",
            f"{what} is not encrypted; nothing was stored. The program that sent it is broken.",
        )


async def check_all(kinds: Mapping[str, Mapping[str, bytes]]) -> None:
    """Check bodies by name, of each kind by its name; raises CloudError for one.

    Many bytes are counted in a thread, so that other requests go on.
    """
    judged = sum(min(len(body), SAMPLE) for bodies in kinds.values() for body in bodies.values())
    if judged > IN_LOOP:
        await asyncio.to_thread(_check_each, kinds)
    else:
        _check_each(kinds)


def _check_each(kinds: Mapping[str, Mapping[str, bytes]]) -> None:
    for kind, bodies in kinds.items():
        for name, body in bodies.items():
            if len(body) >= LEAST:
                check_ciphertext(body, f"{kind} {name}")


def looks_random(body: bytes) -> bool:
    """Answer whether a body can be ciphertext."""
    if len(body) < LEAST:
        return True
    header = _AGE.match(body)
    judged = body[header.end() if header else 0 :][:SAMPLE]
    if len(judged) < LEAST:
        return True
    if _CONTAINER.match(judged) is not None:
        return False
    if len(judged) <= SHORT and _has_usual_values(judged[::5]):
        return True
    return measure_sigma(judged) <= MAX_SIGMA


def measure_sigma(body: bytes) -> float:
    """Return by how many standard deviations the counts of bytes are off those of random ones."""
    counts = Counter(body).values()
    squares: int = sum(map(mul, counts, counts))
    chi_square = squares * 256 / len(body) - len(body)
    return abs(chi_square - _FREEDOM) / math.sqrt(2 * _FREEDOM)


def _has_usual_values(body: bytes) -> bool:
    """Answer whether a body has about as many different bytes as a random one of its length."""
    usual, deviation = _usual_values(len(body))
    return abs(len(set(body)) - usual) <= _USUAL_SIGMA * deviation


@cache
def _usual_values(length: int) -> tuple[float, float]:
    """Return how many different bytes `length` random ones have: the mean, and its deviation."""
    load = length / 256
    missing = math.exp(-load)
    return 256 * (1 - missing), math.sqrt(256 * missing * (1 - (1 + load) * missing))
