"""The kill matrix on a console, and the shades of its cells."""

import io
from dataclasses import replace

from rich.console import Console

from client_sim.lab.programme.result import Matrix, MatrixRow
from client_sim.lab.report.kill_matrix import family_rows, leak_rows, render_matrix
from tests.cases import case


class AsciiFile(io.StringIO):
    """A terminal's file that supports only ASCII."""

    encoding = "ascii"


def show(matrix, width=80, file=None):
    """Print to a console and return the text."""
    file = file or io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    render_matrix(matrix, console)
    return file.getvalue()


def test_rows_of_families_and_clients(reports):
    """A family has shades, a client all or nothing.

    A dot is an oracle that found nothing; an empty cell is one that did not examine the client.
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


def test_survivors_thin_families_and_false_alarms(reports):
    """Each has a line."""
    text = show(reports.poor, 200)
    assert "SURVIVED whisper (a whisper): " in text
    assert "THIN an echo: found by server-state, fewer than two ways, and no reason is" in text
    assert "THIN a whisper: found by nothing, fewer than two ways" in text
    assert "FALSE ALARM at reader: grammar" in text
    assert "\x1b" not in text


def test_matrix_fits_80_columns(reports):
    """With 29 oracles the numbers are in two lines, tens above units.

    Without Unicode, shades are ASCII characters.
    """
    oracles = tuple(f"oracle-{number}" for number in range(1, 30))
    wide = replace(reports.raw["clean"].matrix, oracles=oracles)
    lines = show(wide).splitlines()
    tens, units = (line for line in lines if line.split()[-5:] in (["2"] * 5, [*"56789"]))
    assert len(tens) == len(units) == 22 + 2 * 29
    assert units.startswith("leaks, by family")
    assert tens.index("1") == units.index("0")
    text = show(reports.raw["clean"].matrix, file=AsciiFile())
    shades = text.replace("\N{NO-BREAK SPACE}", " ")
    assert shades.isascii()


def make_rows(found, total):
    """Return the rows of a family of which the one oracle found some."""
    return tuple(MatrixRow(f"m{n}", "f", "", ("o",) if n < found else ()) for n in range(total))


def test_shades_and_notes():
    """Shades: none, up to a third, up to two thirds, more, all. Unexamined clients do not count.

    A survivor has priority over a thin family, and an argument is quoted.
    """
    for found, total, shade in ((0, 5, 0), (1, 5, 1), (2, 5, 2), (4, 5, 3), (5, 5, 4), (1, 1, 4)):
        with case(found, total, shade):
            (row,) = family_rows(Matrix(("o",), make_rows(found, total)))
            (cell,) = row.cells
            assert (cell.found, cell.total, cell.shade) == (found, total, shade)
    others = tuple(MatrixRow(f"b{n}", "f", "", ("p",), ("o",)) for n in range(3))
    (row,) = family_rows(Matrix(("o", "p"), (*make_rows(1, 2), *others)))
    assert [(cell.found, cell.total, cell.shade) for cell in row.cells] == [(1, 2, 2), (3, 5, 2)]
    cells = [row.cells[0] for row in leak_rows((*make_rows(0, 1), others[0]), ("o",))]
    assert [(cell.found, cell.total, cell.shade) for cell in cells] == [(0, 1, 0), (0, 0, 0)]
    assert family_rows(Matrix(("o",), make_rows(1, 2)))[0].note == "a leak of this family survived"
    assert family_rows(Matrix(("o",), make_rows(1, 1)))[0].note.startswith("fewer than two")
    argued = Matrix(("o",), make_rows(1, 1), argued={"f": "nothing else can"})
    assert family_rows(argued)[0].note == "one way: nothing else can"
    assert leak_rows(make_rows(1, 1), ("o",))[0].cells[0].shade == 4
