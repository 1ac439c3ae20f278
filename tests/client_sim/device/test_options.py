import io
import re

from rich.console import Console

from client_sim.device.options import Screen


def _show(*, terminal, quiet=False):
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=80)
    with Screen(quiet=quiet, console=console) as screen:
        screen.say("Fetching [10] bytes.")
        for done in (5, 5, 10):
            screen.progress(done, 10)
        screen.say("Done.")
    return file.getvalue()


def test_screen_without_a_terminal():
    """Each sentence and each new tenth is a line without escapes; `quiet` prints nothing."""
    assert not _show(terminal=True, quiet=True)
    assert _show(terminal=False).splitlines() == [
        "Fetching [10] bytes.",
        "50 %: 5 of 10 bytes",
        "100 %: 10 of 10 bytes",
        "Done.",
    ]


def test_screen_on_a_terminal():
    """A bar shows the first word of the step's sentence and the progress in one line."""
    shown = re.sub("\x1b[^A-Za-z]*[A-Za-z]", "", _show(terminal=True))
    assert "Fetching ━━" in shown
    assert "━ 10/10 bytes" in shown
    assert shown.count("Fetching [10] bytes.") == 1
    assert "Done." in shown
