import io

import pytest
from rich.console import Console
from rich.text import Text

from server import tables
from server.tables import choose_widths, print_table


@pytest.mark.parametrize(
    ("least", "natural", "room", "widths"),
    [
        ([3, 3], [5, 9], 20, [5, 9]),
        ([3, 3], [5, 9], 10, [5, 5]),
        ([3, 3], [9, 5], 10, [5, 5]),
        ([3, 3], [5, 9], 6, [3, 3]),
        ([3, 3], [5, 9], 5, None),
    ],
)
def test_spare_width_goes_to_the_smallest_need(least, natural, room, widths):
    """Spare width goes first to the column that lacks least; no column is below its minimum."""
    assert choose_widths(least, natural, room) == widths


def test_table_without_a_terminal(capsys):
    """Without a terminal, columns are aligned and brackets are printed as text."""
    print_table("Title", ("a", "b"), [("x y", "[bold]y")])
    assert capsys.readouterr().out == "Title\na    b\nx y  [bold]y\n"


def test_long_column_is_wrapped(capsys):
    """Text is wrapped between words within 80 columns; preformatted lines are not wrapped."""
    kept = Text("3f 2a\n11 0c", no_wrap=True)
    print_table("", ("a", "b", "c"), [("short text", "word " * 20, kept)])
    assert capsys.readouterr().out.splitlines() == [
        f"a           {'b':63}c",
        f"short text  {' '.join(['word'] * 12):61}  3f 2a",
        f"            {' '.join(['word'] * 8):61}  11 0c",
    ]


def test_rows_that_do_not_fit_become_paragraphs(capsys):
    """If two long words do not fit side by side, each row becomes a line with its details below."""
    print_table("", ("path", "counter", "build"), [("p" * 50, "1", "b" * 50), ("q" * 50, "2", "")])
    assert capsys.readouterr().out.splitlines() == [
        "p" * 50,
        "  counter  1",
        f"  build    {'b' * 50}",
        "",
        "q" * 50,
        "  counter  2",
    ]


def test_long_value_is_below_its_label(capsys):
    """A value that is too long is printed whole on the line below its label."""
    print_table("", ("fact", "value"), [("security patch level", "2026-11"), ("sha256", "f" * 64)])
    assert capsys.readouterr().out.splitlines() == [
        "security patch level  2026-11",
        "sha256",
        f"    {'f' * 64}",
    ]


def test_empty_table_is_a_sentence(capsys):
    """A table without rows prints its title and the `empty` sentence."""
    print_table("Title", ("a", "b"), [], empty="There is none.")
    assert capsys.readouterr().out == "Title\nThere is none.\n"
    print_table("", ("a", "b"), [])
    assert capsys.readouterr().out == ""


def test_table_on_a_terminal(monkeypatch):
    """On a terminal the table has a line below its head and uses exactly the terminal's width."""
    screen = io.StringIO()
    monkeypatch.setattr(
        tables, "Console", lambda **_named: Console(file=screen, force_terminal=True, width=40)
    )
    print_table("", ("a", "b"), [("word " * 5, "word " * 10)])
    plain = Text.from_ansi(screen.getvalue()).plain.splitlines()
    assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * 40 in plain
    assert max(map(len, plain)) == 40
