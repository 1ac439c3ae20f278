"""The report on consoles of 80 and 120 columns."""

import io
from dataclasses import replace

from rich.console import Console

from client_sim.lab.report.presentable import present
from client_sim.lab.report.redaction import NoRedaction
from client_sim.lab.report.terminal import render_terminal
from tests.cases import case
from tests.client_sim.pages.test_page import ORIGIN


def show(presentable, width, *, terminal=True):
    """Print to a console and return the text without colours."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    render_terminal(presentable, console, ORIGIN)
    return file.getvalue()


def test_no_line_is_wider_than_the_terminal(reports):
    """Questions are shown only if there is room; the conditions and their coverage are listed."""
    for width in (80, 120):
        for name in ("clean", "leaking"):
            with case(width, name):
                text = show(getattr(reports, name), width)
                assert max(map(len, text.splitlines())) <= width
    assert "What does personal ask?" in show(reports.clean, 120)
    assert "What does personal ask?" not in show(reports.clean, 80)
    text = show(reports.clean, 80)
    assert "fault       none, network" in text
    assert "Pairs of levels: 4 of 4." in text


def test_clean_report(reports):
    """The claims with their numbers come first, the verdict last."""
    text = show(reports.clean, 120, terminal=False)
    assert text.splitlines()[0] == "clean · profile full · seed 7"
    assert (
        "✓ Nothing comes back (N3): In 1,500 cases of 1 kind nothing that a server said came back."
        in text
    )
    assert "✓ Guards: Checked in every run, whatever its claim." in text
    assert "    personal           1,500     3,000        900,000   passed" in text
    assert "3 of 3 leaks of 2 families found (100.0%)." in text
    assert "noticed 90 of 100 deliberate changes (90.0 %)" in text
    assert text.splitlines()[-1] == "3,000 runs, 6,000 polls, 900,000 bytes: clean."
    assert "No difference in 6,000 situations of 4 kinds (personal, fleet," in text
    assert "Installations were not judged" not in text
    assert "Not varied, and so not claimed" in text


def test_limits_of_a_verdict_are_shown(reports):
    """A clean verdict names what was not judged.

    An incomplete examination is unproven unless something was found before.
    """
    raw = reports.raw["clean"]
    own = replace(raw, result=replace(raw.result, installs=False))
    assert "Installations were not judged" in show(present(own, NoRedaction()), 120)
    part = replace(raw.result, given_up="the client did not come back", batteries=())
    assert part.verdict == "unproven"
    text = show(present(replace(raw, result=part), NoRedaction()), 80)
    assert "The examination is incomplete: the client did not come back." in text
    assert text.splitlines()[-1].endswith("UNPROVEN.")
    assert replace(reports.raw["leaking"].result, given_up="so").verdict == "leak"


def test_leak_is_shown_with_the_smallest_scenario(reports):
    """Values are redacted, and the last line names the oracles."""
    text = show(reports.leaking, 120, terminal=False)
    assert "personal: bytes, connection 1, poll 1, request 1, body, offset 28" in text
    assert "canaries: connection 1, poll 1, offset 28" in text
    assert "  imei as it is: imei(15 digits)\n" in text
    assert "personal, minimised: It still shows with two polls.\n" in text
    assert text.endswith("LEAK (personal, canaries).\n")
    assert reports.owner.imei not in text


def test_hostile_text_has_no_control_characters(reports):
    """Escape sequences, bells and bidi controls are escaped."""
    text = show(reports.hostile, 80, terminal=False)
    assert [char for char in text if not (char.isprintable() or char == "\n")] == []
    assert "SURVIVED whisper (a whisper): \\x1b[2J" in text
