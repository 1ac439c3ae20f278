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


def cover(factors: Factors, triple_factors: Sequence[str], tape: Tape) -> Iterator[Row]:
    """Yield rows until each pair of levels occurs, then each triple of `triple_factors`."""
    rows: list[Row] = []
    for names, strength in ((tuple(factors), 2), (tuple(triple_factors), 3)):
        uncovered = dict.fromkeys(_list_parts(factors, names, strength))
        for row in rows:
            _remove_covered(uncovered, row, names, strength)
        while uncovered:
            start = next(iter(uncovered))
            candidates = [
                _make(factors, names, strength, uncovered, start, tape) for _ in range(_TRIES)
            ]
            best = max(candidates, key=lambda row: _count(uncovered, row, names, strength))
            _remove_covered(uncovered, best, names, strength)
            rows.append(best)
            yield best


def measure(rows: Sequence[Row], factors: Factors, names: Sequence[str], strength: int) -> Coverage:
    """Count the combinations of `strength` of the named factors that the rows cover."""
    every = [*_list_parts(factors, names, strength)]
    covered = {part for row in rows for part in _parts_of(row, names, strength)}
    return Coverage(strength, tuple(names), len(covered), len(every))


def _list_parts(factors: Factors, names: Sequence[str], strength: int) -> Iterator[_Part]:
    for selected in combinations(names, strength):
        for levels in product(*(factors[name] for name in selected)):
            yield tuple(zip(selected, levels, strict=True))


def _parts_of(row: Row, names: Sequence[str], strength: int) -> Iterator[_Part]:
    return combinations(((name, row[name]) for name in names), strength)


def _remove_covered(
    uncovered: dict[_Part, None], row: Row, names: Sequence[str], strength: int
) -> None:
    for part in _parts_of(row, names, strength):
        uncovered.pop(part, None)


def _count(uncovered: Mapping[_Part, None], row: Row, names: Sequence[str], strength: int) -> int:
    return sum(part in uncovered for part in _parts_of(row, names, strength))


def _make(
    factors: Factors,
    names: Sequence[str],
    strength: int,
    uncovered: Mapping[_Part, None],
    start: _Part,
    tape: Tape,
) -> Row:
    """Fill a row around an uncovered part, choosing for each factor the level that covers most."""
    row = dict(start)
    rest = [name for name in factors if name not in row]
    while rest:
        name = rest.pop(tape.below(len(rest)))
        levels = factors[name]
        first = tape.below(len(levels))  # so that ties do not always go to the first level
        known = [other for other in names if other in row]
        gains = []
        for level in (*levels[first:], *levels[:first]):
            row[name] = level
            chosen = [other for other in names if other in row] if name in names else []
            gains.append((_gain(uncovered, row, chosen, name, strength) if known else 0, level))
        row[name] = max(gains, key=lambda gain: gain[0])[1]
    return {name: row[name] for name in factors}


def _gain(
    uncovered: Mapping[_Part, None], row: Row, chosen: Sequence[str], name: str, strength: int
) -> int:
    return sum(
        part in uncovered
        for part in _parts_of(row, chosen, strength)
        if any(n == name for n, _ in part)
    )
