"""Covering arrays: rows of levels with every pair of levels, and every triple of some factors.

A dozen factors have millions of combinations. A fault that needs two or three factors together
shows up if each pair or triple of levels occurs in some row. Rows are chosen greedily, one by one;
the same tape gives the same rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

from client_sim.tape import Tape

Factors = Mapping[str, tuple[str, ...]]
"""Levels by factor."""

Row = Mapping[str, str]
"""A level for each factor."""

_Part = tuple[tuple[str, str], ...]  # some factors with a level each, in the order of the factors
_TRIES: Final = 3  # candidate rows; the one that covers most is taken


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many combinations of levels are covered: of `together` factors at a time, out of `of`."""

    together: int
    of: tuple[str, ...]
    covered: int
    all: int


@dataclass(frozen=True, slots=True)
class Crossings:
    """The conditions that an examination crossed, and how many combinations it covered."""

    factors: Factors
    coverages: tuple[Coverage, ...]


def cover(factors: Factors, thrice: Sequence[str], tape: Tape) -> Iterator[Row]:
    """Yield rows until each pair of levels occurs, then until each triple of `thrice` occurs."""
    rows: list[Row] = []
    for names, together in ((tuple(factors), 2), (tuple(thrice), 3)):
        left = dict.fromkeys(_list_parts(factors, names, together))
        for row in rows:
            _strike(left, row, names, together)
        while left:
            start = next(iter(left))
            tries = [_make(factors, names, together, left, start, tape) for _ in range(_TRIES)]
            best = max(tries, key=lambda row: _count(left, row, names, together))
            _strike(left, best, names, together)
            rows.append(best)
            yield best


def measure(rows: Sequence[Row], factors: Factors, names: Sequence[str], together: int) -> Coverage:
    """Count the combinations of `together` of the named factors that the rows cover."""
    every = [*_list_parts(factors, names, together)]
    met = {part for row in rows for part in _parts_of(row, names, together)}
    return Coverage(together, tuple(names), len(met), len(every))


def _list_parts(factors: Factors, names: Sequence[str], together: int) -> Iterator[_Part]:
    for chosen in combinations(names, together):
        for levels in product(*(factors[name] for name in chosen)):
            yield tuple(zip(chosen, levels, strict=True))


def _parts_of(row: Row, names: Sequence[str], together: int) -> Iterator[_Part]:
    return combinations(((name, row[name]) for name in names), together)


def _strike(left: dict[_Part, None], row: Row, names: Sequence[str], together: int) -> None:
    for part in _parts_of(row, names, together):
        left.pop(part, None)


def _count(left: Mapping[_Part, None], row: Row, names: Sequence[str], together: int) -> int:
    return sum(part in left for part in _parts_of(row, names, together))


def _make(
    factors: Factors,
    names: Sequence[str],
    together: int,
    left: Mapping[_Part, None],
    start: _Part,
    tape: Tape,
) -> Row:
    """Fill a row around an uncovered part, choosing for each factor the level that covers most."""
    row = dict(start)
    rest = [name for name in factors if name not in row]
    while rest:
        name = rest.pop(tape.below(len(rest)))
        levels = factors[name]
        turn = tape.below(len(levels))  # so that ties do not always go to the first level
        known = [other for other in names if other in row]
        gains = []
        for level in (*levels[turn:], *levels[:turn]):
            row[name] = level
            among = [other for other in names if other in row] if name in names else []
            gains.append((_gain(left, row, among, name, together) if known else 0, level))
        row[name] = max(gains, key=lambda gain: gain[0])[1]
    return {name: row[name] for name in factors}


def _gain(
    left: Mapping[_Part, None], row: Row, among: Sequence[str], name: str, together: int
) -> int:
    return sum(
        part in left for part in _parts_of(row, among, together) if any(n == name for n, _ in part)
    )
