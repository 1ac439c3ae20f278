"""Text and bytes in a form that is safe on a terminal, in XML and on a page.

Bytes are shown as rows of hexadecimal and text, in which some are marked.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.text import Text

from client_sim.lab.oracles.finding import Finding

_LIMIT: Final = 2000  # characters; longer than any sentence in a report
_WIDTH: Final = 16
_MOST: Final = 128
_AROUND: Final = 32


def printable(text: str | bytes, most: int = _LIMIT) -> str:
    r"""Escape every character that moves the cursor, reverses text or is invisible (`\x1b`).

    The result is printable by Unicode's categories and contains nothing that XML forbids. It is
    truncated after `most` characters.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    shown = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text[: most + 1]
    )
    return shown if len(shown) <= most else f"{shown[:most]}…"


def say(console: Console, text: str, style: str = "") -> None:
    """Print a sentence; wrap it on a terminal, and otherwise print it on one line."""
    console.print(Text(text, style), soft_wrap=not console.is_terminal)


@dataclass(frozen=True, slots=True)
class Cell:
    """One byte: two hexadecimal digits, a printable character or a dot, and its marking."""

    digits: str
    sign: str
    marked: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Up to sixteen bytes from `offset` on."""

    offset: int
    cells: tuple[Cell, ...]

    def runs(self) -> tuple[tuple[bool, str, str], ...]:
        """Return runs of equal marking as (marked, digits separated by spaces, characters)."""
        return tuple(
            (marked, " ".join(cell.digits for cell in run), "".join(cell.sign for cell in run))
            for marked, run in (
                (marked, tuple(run)) for marked, run in groupby(self.cells, lambda c: c.marked)
            )
        )


def dump(data: bytes, offset: int, length: int) -> tuple[Row, ...]:
    """Return the marked bytes with up to 32 bytes before and after, in whole rows.

    At most 128 marked bytes are included.
    """
    length = min(length, _MOST)
    first = max(0, offset - _AROUND) // _WIDTH * _WIDTH
    last = min(len(data), offset + length + _AROUND)
    return tuple(_rows(data, first, last, range(offset, offset + length)))


def _rows(data: bytes, first: int, last: int, marked: range) -> Iterator[Row]:
    for start in range(first, last, _WIDTH):
        cells = tuple(
            Cell(f"{data[place]:02x}", _sign(data[place]), place in marked)
            for place in range(start, min(start + _WIDTH, len(data)))
        )
        yield Row(start, cells)


def _sign(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F else "."


def render_findings(name: str, findings: Iterable[Finding], console: Console) -> None:
    """Print findings, which must be presentable, each with a dump of its bytes."""
    for finding in findings:
        console.print()
        field = f", {finding.field}" if finding.field else ""
        say(console, f"{name}: {finding.where}{field}, offset {finding.offset}", "bold")
        say(console, f"  {finding.explanation}")
        print_rows(dump(finding.data, finding.offset, finding.length), console)
        if finding.other is not None:
            console.print(Text("  where the other has"))
            print_rows(dump(finding.other, finding.offset, finding.length), console)


def print_rows(rows: Iterable[Row], console: Console, shift: int = 0) -> None:
    """Print a dump with offsets that are larger by `shift`."""
    for row in rows:
        line = Text(f"  {row.offset + shift:06x}  ")
        for cell in row.cells:
            line.append(cell.digits, "reverse" if cell.marked else "")
            line.append(" ")
        line.append("   " * (16 - len(row.cells)) + " ")
        for cell in row.cells:
            line.append(cell.sign, "reverse" if cell.marked else "dim")
        console.print(line, soft_wrap=True)
