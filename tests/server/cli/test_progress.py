"""Long work shows a bar on a terminal, and elsewhere a line for each GiB."""

import importlib
import os
import pty
import sys

from server.cli.progress import LINE_EACH, progress_bar


def test_lines_where_nobody_looks(capsys):
    """One for each GiB that is passed, whatever the steps are; nothing for little work."""
    with progress_bar() as show:
        show("Writing", 1000, 3 * LINE_EACH)
        show("Writing", LINE_EACH - 1, 3 * LINE_EACH)
        show("Writing", LINE_EACH + 5, 3 * LINE_EACH)
        show("Writing", LINE_EACH + 6, 3 * LINE_EACH)
        show("Auditing", 3 * LINE_EACH, 3 * LINE_EACH)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "Writing: 1073741829 of 3221225472 octets\nAuditing: 3221225472 of 3221225472 octets\n"
    )


def test_a_bar_on_a_terminal(world, tmp_path, monkeypatch):
    """An export paints on standard error, what it is at and how far, and nothing on the output."""
    controlling, terminal = pty.openpty()
    words = ["export", "--state", world.folder.root, "--out", tmp_path / "mirror", "--json"]
    monkeypatch.setattr(sys, "argv", ["hening-server", *map(str, words)])
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(terminal, "w", encoding="utf-8") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        importlib.import_module("server.cli").main()
        stderr.flush()
        painted = os.read(controlling, 1 << 16).decode()
    os.close(controlling)
    assert "Auditing" in painted
    assert "MB" in painted or "kB" in painted
