"""Shades of the kill matrix."""

import pytest

from client_sim.lab.programme.result import Matrix, MatrixRow
from client_sim.lab.report.html.heat import family_rows, leak_rows


def rows(found, total):
    """Make a family of which some are found by the one oracle."""
    return tuple(MatrixRow(f"m{n}", "f", "", ("o",) if n < found else ()) for n in range(total))


@pytest.mark.parametrize(
    ("found", "total", "shade"), [(0, 5, 0), (1, 5, 1), (2, 5, 2), (4, 5, 3), (5, 5, 4), (1, 1, 4)]
)
def test_a_shade_stands_for_the_share(found, total, shade):
    """None, up to a third, up to two, more, all."""
    (row,) = family_rows(Matrix(("o",), rows(found, total)))
    (cell,) = row.cells
    assert (cell.found, cell.total, cell.shade) == (found, total, shade)


def test_who_was_not_asked_is_no_part_of_a_share():
    """One of two that were asked about is a third to two; none that were asked about is none."""
    beside = tuple(MatrixRow(f"b{n}", "f", "", ("p",), ("o",)) for n in range(3))
    (row,) = family_rows(Matrix(("o", "p"), (*rows(1, 2), *beside)))
    assert [(cell.found, cell.total, cell.shade) for cell in row.cells] == [(1, 2, 2), (3, 5, 2)]
    cells = [row.cells[0] for row in leak_rows((*rows(0, 1), beside[0]), ("o",))]
    assert [(cell.found, cell.total, cell.shade) for cell in cells] == [(0, 1, 0), (0, 0, 0)]


def test_notes_say_what_is_wrong():
    """A survivor weighs more than a thin family; an argument is quoted."""
    assert family_rows(Matrix(("o",), rows(1, 2)))[0].note == "one of this family survived"
    assert family_rows(Matrix(("o",), rows(1, 1)))[0].note.startswith("fewer than two")
    argued = Matrix(("o",), rows(1, 1), argued={"f": "nothing else can"})
    assert family_rows(argued)[0].note == "one way: nothing else can"
    assert leak_rows(rows(1, 1), ("o",))[0].cells[0].shade == 4
