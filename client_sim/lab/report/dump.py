"""Octets for people to read: rows of hexadecimal and text, with some of them marked."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

_WIDTH: Final = 16
_MOST: Final = 128


@dataclass(frozen=True, slots=True)
class Cell:
    """One octet: two hexadecimal digits, a printable sign or a dot, and whether it is marked."""

    digits: str
    sign: str
    marked: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Up to sixteen octets from `offset` on."""

    offset: int
    cells: tuple[Cell, ...]

    def runs(self) -> tuple[tuple[bool, str, str], ...]:
        """Give stretches of equal marking as (marked, digits with spaces between, signs)."""
        return tuple(
            (marked, " ".join(cell.digits for cell in run), "".join(cell.sign for cell in run))
            for marked, run in (
                (marked, tuple(run)) for marked, run in groupby(self.cells, lambda c: c.marked)
            )
        )


def dump(octets: bytes, offset: int, length: int, around: int = 32) -> tuple[Row, ...]:
    """Show the marked octets with up to `around` octets before and after, in whole rows.

    Of more than 128 marked octets the first are shown.
    """
    length = min(length, _MOST)
    first = max(0, offset - around) // _WIDTH * _WIDTH
    last = min(len(octets), offset + length + around)
    return tuple(_rows(octets, first, last, range(offset, offset + length)))


def _rows(octets: bytes, first: int, last: int, marked: range) -> Iterator[Row]:
    for start in range(first, last, _WIDTH):
        cells = tuple(
            Cell(f"{octets[place]:02x}", _sign(octets[place]), place in marked)
            for place in range(start, min(start + _WIDTH, len(octets)))
        )
        yield Row(start, cells)


def _sign(octet: int) -> str:
    return chr(octet) if 0x20 <= octet < 0x7F else "."
