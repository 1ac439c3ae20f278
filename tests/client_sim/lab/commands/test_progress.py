"""Progress of long work where there is no terminal, such as in a build server's log."""

from client_sim.lab.commands.progress import show_progress


def test_each_tenth_of_long_work_is_a_line(capsys):
    """Ten lines on standard error, the last at the end, whatever the number of steps."""
    with show_progress() as tell:
        for done in range(1, 1_235):
            tell("runs", done, 1_234)
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == "runs: 124 of 1,234"
    assert lines[-1] == "runs: 1,234 of 1,234"
    assert len(lines) == 10


def test_short_work_says_nothing(capsys):
    """What is over in a moment needs no line."""
    with show_progress() as tell:
        for done in range(1, 50):
            tell("runs", done, 49)
    assert capsys.readouterr().err == ""
