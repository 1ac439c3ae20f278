"""The report on consoles of 80 and 120 columns."""

import io

import pytest
from rich.console import Console

from client_sim.lab.report.terminal import render_terminal


def show(presentable, width, *, terminal=True):
    """Print to a console and give what a person would read, without colours."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    render_terminal(presentable, console)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["clean", "leaking"])
def test_no_line_is_wider_than_the_terminal(name, width, reports):
    """Sentences break between words."""
    said = show(getattr(reports, name), width)
    assert max(map(len, said.splitlines())) <= width


def test_a_clean_report_says_so_last(reports):
    """The claims come first, with their numbers."""
    said = show(reports.clean, 120, terminal=False)
    assert said.splitlines()[0] == "clean · profile full · seed 7"
    assert "✓ N3  Nothing that a server says comes back." in said
    assert "    personal           1,500     3,000        900,000   passed" in said
    assert "3 of 3 leaks of 2 families found (100.0%)." in said
    assert "noticed 90 of 100 changes (90.0 %)" in said
    assert said.splitlines()[-1] == (
        "3,000 runs, 6,000 polls, 900,000 octets: nothing about the owner left the phone."
    )


def test_questions_are_beside_the_numbers_where_there_is_room(reports):
    """Not at 80 columns."""
    assert "What does personal ask?" in show(reports.clean, 120)
    assert "What does personal ask?" not in show(reports.clean, 80)


def test_a_leak_is_shown_with_its_octets_and_the_smallest_scenario(reports):
    """Covered, marked, and named at the end."""
    said = show(reports.leaking, 120, terminal=False)
    assert "personal: octets, connection 1, poll 1, request 1, body, offset 28" in said
    assert "canaries: connection 1, poll 1, offset 28" in said
    assert "  imei as it is: imei(15 digits)\n" in said
    assert "personal, made small: It still shows with two polls.\n" in said
    assert said.endswith("LEAK (personal, canaries).\n")
    assert reports.owner.imei not in said


def test_a_strangers_octets_move_no_cursor(reports):
    """No escape sequence, no bell, no turned line."""
    said = show(reports.hostile, 80, terminal=False)
    assert [sign for sign in said if not (sign.isprintable() or sign == "\n")] == []
    assert "SURVIVED whisper (a whisper): \\x1b[2J" in said
