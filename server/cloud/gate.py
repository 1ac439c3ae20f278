"""The gate: a body that is no ciphertext is refused, before it is kept.

It is a belt for owners whose client is broken, and no proof: what is encrypted badly passes. A body
is refused if it begins as a known container does, or if its bytes are not spread as random ones
are. Counting costs 25 ns a byte, so that of a longer body the first 64 KiB are judged.
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Sequence
from operator import mul
from typing import Final

from server.cloud.errors import CloudError

LEAST: Final = 1024
"""Bytes of a body that is judged: fewer ones tell little."""
SAMPLE: Final = 64 * 1024
"""Bytes of a longer body that are judged."""
IN_LOOP: Final = 256 * 1024
"""Bytes that are counted where they came; it takes 6 ms."""
MAX_SIGMA: Final = 8.0
"""Standard deviations of chi-square at which bytes are not random: 1 in 60 billion bodies is."""
_FREEDOM = 255
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


async def check_all(bodies: Sequence[tuple[str, bytes]]) -> None:
    """Check named bodies; many bytes are counted in a thread, so that other requests go on."""
    if sum(min(len(body), SAMPLE) for _, body in bodies) > IN_LOOP:
        await asyncio.to_thread(_check_each, bodies)
    else:
        _check_each(bodies)


def _check_each(bodies: Sequence[tuple[str, bytes]]) -> None:
    for what, body in bodies:
        check_ciphertext(body, what)


def looks_random(body: bytes) -> bool:
    """Answer whether a body can be ciphertext."""
    if len(body) < LEAST:
        return True
    header = _AGE.match(body)
    judged = body[header.end() if header else 0 :][:SAMPLE]
    if len(judged) < LEAST:
        return True
    return _CONTAINER.match(judged) is None and measure_sigma(judged) <= MAX_SIGMA


def measure_sigma(body: bytes) -> float:
    """Return by how many standard deviations the counts of bytes are off those of random ones."""
    counts = Counter(body).values()
    squares: int = sum(map(mul, counts, counts))
    chi_square = squares * 256 / len(body) - len(body)
    return abs(chi_square - _FREEDOM) / math.sqrt(2 * _FREEDOM)
