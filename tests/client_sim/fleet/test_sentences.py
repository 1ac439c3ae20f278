"""What a person sees of a fleet before and while its phones poll."""

import io

from rich.console import Console

from client_sim.fleet.sentences import Screen
from client_sim.fleet.tally import Tally


def show(*, is_terminal):
    """Return what is shown of a run of 100 seconds at its preparation and at a half."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=is_terminal, width=140)
    with Screen(100.0, 5000, quiet=False, console=console) as screen:
        screen.prepare("Waking 5,000 phones")
        before = None if screen._progress is None else screen._progress.tasks[0].total
        screen.watch(50.0, 1.0, Tally())
        after = None if screen._progress is None else screen._progress.tasks[0].percentage
    return output.getvalue(), before, after


def test_a_terminal_shows_movement_until_phones_poll_and_then_how_far_they_are():
    """A bar without an end moves; a bar at 0 % would look as if nothing happened."""
    _, before, after = show(is_terminal=True)
    assert before is None
    assert after == 50.0


def test_a_step_of_the_preparation_is_a_line_elsewhere():
    """In front of the sums."""
    shown, *_ = show(is_terminal=False)
    first, second = shown.splitlines()
    assert first == "Waking 5,000 phones."
    assert second.startswith("0.0 h: 0 polls")
