"""The report on consoles of 80 and 120 columns."""

import io
from dataclasses import replace

from rich.console import Console

from client_sim.lab.report.covering import present
from client_sim.lab.report.redaction import Revealed
from client_sim.lab.report.terminal import render_terminal
from tests.cases import case
from tests.client_sim.pages.test_page import ORIGIN


def show(presentable, width, *, terminal=True):
    """Print to a console and give what a person would read, without colours."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    render_terminal(presentable, console, ORIGIN)
    return file.getvalue()


def test_no_line_is_wider_than_the_terminal(reports):
    """Sentences break between words.

    Questions are beside the numbers where there is room, and the conditions that met are named.
    """
    for width in (80, 120):
        for name in ("clean", "leaking"):
            with case(width, name):
                said = show(getattr(reports, name), width)
                assert max(map(len, said.splitlines())) <= width
    assert "What does personal ask?" in show(reports.clean, 120)
    assert "What does personal ask?" not in show(reports.clean, 80)
    said = show(reports.clean, 80)
    assert "fault       none, network" in said
    assert "Pairs of levels: 4 of 4." in said


def test_a_clean_report_says_so_last(reports):
    """The claims come first, with their numbers."""
    said = show(reports.clean, 120, terminal=False)
    assert said.splitlines()[0] == "clean · profile full · seed 7"
    assert (
        "✓ Nothing comes back (N3): In 1,500 cases of 1 kind nothing that a server said came back."
        in said
    )
    assert "✓ Guards: Checked in every run, whatever its claim." in said
    assert "    personal           1,500     3,000        900,000   passed" in said
    assert "3 of 3 leaks of 2 families found (100.0%)." in said
    assert "noticed 90 of 100 deliberate changes (90.0 %)" in said
    assert said.splitlines()[-1] == "3,000 runs, 6,000 polls, 900,000 bytes: clean."
    assert "No difference in 6,000 situations of 4 kinds (personal, fleet," in said
    assert "Installations were not judged" not in said
    assert "Not varied, and so not claimed" in said


def test_what_is_not_judged_is_said(reports):
    """A clean verdict names what it leaves out.

    A client that was given up is neither clean nor a leak; what was found before is one.
    """
    raw = reports.raw["clean"]
    own = replace(raw, result=replace(raw.result, installs=False))
    assert "Installations were not judged" in show(present(own, Revealed()), 120)
    part = replace(raw.result, given_up="the client did not come back", batteries=())
    assert part.word == "unproven"
    said = show(present(replace(raw, result=part), Revealed()), 80)
    assert "The examination is incomplete: the client did not come back." in said
    assert said.splitlines()[-1].endswith("UNPROVEN.")
    assert replace(reports.raw["leaking"].result, given_up="so").word == "leak"


def test_a_leak_is_shown_with_its_bytes_and_the_smallest_scenario(reports):
    """Covered, marked, and named at the end."""
    said = show(reports.leaking, 120, terminal=False)
    assert "personal: bytes, connection 1, poll 1, request 1, body, offset 28" in said
    assert "canaries: connection 1, poll 1, offset 28" in said
    assert "  imei as it is: imei(15 digits)\n" in said
    assert "personal, minimised: It still shows with two polls.\n" in said
    assert said.endswith("LEAK (personal, canaries).\n")
    assert reports.owner.imei not in said


def test_a_strangers_bytes_move_no_cursor(reports):
    """No escape sequence, no bell, no turned line."""
    said = show(reports.hostile, 80, terminal=False)
    assert [sign for sign in said if not (sign.isprintable() or sign == "\n")] == []
    assert "SURVIVED whisper (a whisper): \\x1b[2J" in said
