"""The kill matrix on a console, and its shades on a page."""

import io
from dataclasses import replace

from rich.console import Console

from client_sim.lab.programme.result import Matrix, MatrixRow
from client_sim.lab.report.kill_matrix import family_rows, leak_rows, render_matrix
from tests.cases import case


class AsciiFile(io.StringIO):
    """A file of a terminal that knows ASCII alone."""

    encoding = "ascii"


def show(matrix, width=80, file=None):
    """Print to a console."""
    file = file or io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    render_matrix(matrix, console)
    return file.getvalue()


def test_rows_of_families_and_of_clients(reports):
    """Shades for a family, all or nothing for a client.

    A dot is for who looked; a family has a place for who looked at any of it.
    """
    lines = show(reports.raw["clean"].matrix).splitlines()
    cells = {line[:44].strip(): line[44:].split() for line in lines}
    assert cells["a value in the query"] == ["█", "▒", "·"]
    assert cells["query-1"] == ["█", "█", "·"]
    assert cells["query-2"] == ["█", "·", "·"]
    assert cells["reader"] == ["·", "·", "·"]
    assert lines[-2] == "3 of 3 leaks of 2 families found (100.0%)."
    assert lines[-1] == "an echo: found by server-state alone; only a second server can tell"
    matrix = reports.raw["clean"].matrix
    first = replace(matrix.rows[1], not_asked=("canaries", "server-state"))
    lines = show(replace(matrix, rows=(matrix.rows[0], first))).splitlines()
    cells = {line[:44].strip(): line[44:50] for line in lines}
    assert cells["a value in the query"] == " █ █ ·"
    assert cells["query-2"] == " █    "
    assert "· examined, nothing found; an empty cell was not examined" in lines


def test_everything_that_is_wrong_is_said(reports):
    """A survivor, thin families, a false alarm."""
    said = show(reports.poor, 200)
    assert "SURVIVED whisper (a whisper): " in said
    assert "THIN an echo: found by server-state, fewer than two ways, and no reason is" in said
    assert "THIN a whisper: found by nothing, fewer than two ways" in said
    assert "FALSE ALARM at reader: grammar" in said
    assert "\x1b" not in said


def test_the_matrix_fits_a_usual_terminal(reports):
    """29 columns beside names, on 80 columns: numbers stand in two lines, tens above units.

    Without Unicode there are stars and dots.
    """
    oracles = tuple(f"oracle-{number}" for number in range(1, 30))
    wide = replace(reports.raw["clean"].matrix, oracles=oracles)
    lines = show(wide).splitlines()
    tens, units = (line for line in lines if line.split()[-5:] in (["2"] * 5, [*"56789"]))
    assert len(tens) == len(units) == 22 + 2 * 29
    assert units.startswith("leaks, by family")
    assert tens.index("1") == units.index("0")
    said = show(reports.raw["clean"].matrix, file=AsciiFile())
    shades = said.replace("\N{NO-BREAK SPACE}", " ")
    assert shades.isascii()


def rows(found, total):
    """Make a family of which some are found by the one oracle."""
    return tuple(MatrixRow(f"m{n}", "f", "", ("o",) if n < found else ()) for n in range(total))


def test_a_shade_stands_for_the_share():
    """None, up to a third, up to two, more, all; who was not asked is no part of it.

    A survivor weighs more than a thin family; an argument is quoted.
    """
    for found, total, shade in ((0, 5, 0), (1, 5, 1), (2, 5, 2), (4, 5, 3), (5, 5, 4), (1, 1, 4)):
        with case(found, total, shade):
            (row,) = family_rows(Matrix(("o",), rows(found, total)))
            (cell,) = row.cells
            assert (cell.found, cell.total, cell.shade) == (found, total, shade)
    beside = tuple(MatrixRow(f"b{n}", "f", "", ("p",), ("o",)) for n in range(3))
    (row,) = family_rows(Matrix(("o", "p"), (*rows(1, 2), *beside)))
    assert [(cell.found, cell.total, cell.shade) for cell in row.cells] == [(1, 2, 2), (3, 5, 2)]
    cells = [row.cells[0] for row in leak_rows((*rows(0, 1), beside[0]), ("o",))]
    assert [(cell.found, cell.total, cell.shade) for cell in cells] == [(0, 1, 0), (0, 0, 0)]
    assert family_rows(Matrix(("o",), rows(1, 2)))[0].note == "a leak of this family survived"
    assert family_rows(Matrix(("o",), rows(1, 1)))[0].note.startswith("fewer than two")
    argued = Matrix(("o",), rows(1, 1), argued={"f": "nothing else can"})
    assert family_rows(argued)[0].note == "one way: nothing else can"
    assert leak_rows(rows(1, 1), ("o",))[0].cells[0].shade == 4
