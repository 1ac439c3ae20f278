"""The kill matrix as rows of shaded cells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from client_sim.lab.programme.result import Matrix, MatrixRow


@dataclass(frozen=True, slots=True)
class Cell:
    """How many leaks of a row an oracle found, of `total` that it was asked about.

    `shade` is 0 for none to 4 for all. Where `total` is 0 the oracle was not asked, which differs
    from silence.
    """

    oracle: str
    found: int
    total: int
    shade: int


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A family or one leak: `note` says what is wrong with it, or why it is accepted."""

    name: str
    leak: str
    cells: tuple[Cell, ...]
    note: str


def family_rows(matrix: Matrix) -> tuple[HeatRow, ...]:
    """Return a row for each family, in the matrix's order."""
    survivors = {row.family for row in matrix.survivors}
    rows = []
    for family in matrix.killers:
        own = [row for row in matrix.rows if row.family == family]
        note = ""
        if family in survivors:
            note = "one of this family survived"
        elif family in matrix.thin:
            note = "fewer than two independent oracles, and nobody argues for it"
        elif family in matrix.alone:
            note = f"one way: {matrix.argued[family]}"
        rows.append(HeatRow(family, f"{len(own)} leaks", cells_of(own, matrix.oracles), note))
    return tuple(rows)


def leak_rows(rows: Iterable[MatrixRow], oracles: Sequence[str]) -> tuple[HeatRow, ...]:
    """Return a row for each leak."""
    return tuple(HeatRow(row.id, row.leak, cells_of([row], oracles), "") for row in rows)


def cells_of(rows: Sequence[MatrixRow], oracles: Sequence[str]) -> tuple[Cell, ...]:
    """Return what each oracle found of these leaks."""
    cells = []
    for oracle in oracles:
        found = sum(oracle in row.killed_by for row in rows)
        asked = sum(oracle not in row.not_asked for row in rows)
        shade = 0 if not found else 1 + found * 3 // asked
        cells.append(Cell(oracle, found, asked, shade))
    return tuple(cells)
