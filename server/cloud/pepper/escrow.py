"""The pepper on paper: lines of 32 digits, each with a check, and what was typed back.

    pepper-1 7f3a 01c4 … 9b20  4e1d

The last four digits are the first of sha256(label ∥ the line's 16 bytes), so that a line with a
mistake is named.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

from server.cloud.pepper.file import Pepper
from server.core.errors import FormatError

_LINE_BYTES = 16
_LINE = re.compile(r"(pepper|salts|earlier)-([0-9]{1,3})([0-9a-f]{32})([0-9a-f]{4})")


def encode_escrow(pepper: Pepper) -> list[str]:
    """Return the lines of a pepper that no rotation is changing."""
    named = (("pepper", pepper.pepper), ("salts", pepper.salts))
    lines = [line for name, value in named for line in _encode(name, value)]
    return lines + list(_encode("earlier", b"".join(pepper.earlier)))


def decode_escrow(lines: Iterable[str]) -> Pepper:
    """Return the pepper of lines in any order; case and spaces do not matter.

    Raises FormatError with the line that is wrong, or that is missing.
    """
    found: dict[str, dict[int, bytes]] = {"pepper": {}, "salts": {}, "earlier": {}}
    for line in lines:
        if not line.strip():
            continue
        match = _LINE.fullmatch("".join(line.split()).casefold())
        if match is None:
            raise FormatError(f"{line.strip()[:10]!r}… is no line of a pepper: type it as printed.")
        name, number, digits, check = match.groups()
        value = bytes.fromhex(digits)
        if _check(f"{name}-{number}", value) != check:
            raise FormatError(f"the line {name}-{number} has a mistake: type it again.")
        found[name][int(number)] = value
    pepper, salts = _join(found, "pepper", 2), _join(found, "salts", 2)
    earlier = _join(found, "earlier", len(found["earlier"]) + len(found["earlier"]) % 2)
    keys = tuple(earlier[start : start + 32] for start in range(0, len(earlier), 32))
    return Pepper(pepper, salts, keys)


def _encode(name: str, value: bytes) -> Iterator[str]:
    for number, start in enumerate(range(0, len(value), _LINE_BYTES), 1):
        label, part = f"{name}-{number}", value[start : start + _LINE_BYTES]
        yield f"{label:<10} {part.hex(' ', 2)}  {_check(label, part)}"


def _join(found: dict[str, dict[int, bytes]], name: str, count: int) -> bytes:
    lines = found[name]
    for number in range(1, count + 1):
        if number not in lines:
            raise FormatError(f"the line {name}-{number} is missing.")
    if len(lines) > count:
        raise FormatError(f"there are only {count} lines {name}.")
    return b"".join(lines[number] for number in range(1, count + 1))


def _check(label: str, value: bytes) -> str:
    return hashlib.sha256(label.encode() + value).hexdigest()[:4]
