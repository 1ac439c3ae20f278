"""Long work shows a bar on a terminal, and elsewhere a line for each GiB."""

import contextlib
import importlib
import os
import pty
import sys
from concurrent.futures import ThreadPoolExecutor

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
    assert err == ("Writing: 1.07 GB of 3.22 GB\nAuditing: 3.22 GB of 3.22 GB\n")


def test_a_bar_on_a_terminal(world, tmp_path, monkeypatch):
    """An export paints on standard error, what it is at and how far, and nothing on the output."""
    controlling, terminal = pty.openpty()
    words = ["export", "--state", world.folder.root, "--out", tmp_path / "mirror", "--json"]
    monkeypatch.setattr(sys, "argv", ["hening-server", *map(str, words)])
    monkeypatch.setenv("TERM", "xterm")
    with ThreadPoolExecutor() as reader:
        reading = reader.submit(read_to_the_end, controlling)
        with os.fdopen(terminal, "w", encoding="utf-8") as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            importlib.import_module("server.cli").main()
    painted = reading.result()
    assert "Auditing" in painted
    assert "MB" in painted or "kB" in painted


def read_to_the_end(controlling):
    """Return all that a terminal shows until its other end is closed: it holds little at a time."""
    painted = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while octets := os.read(controlling, 4096):
            painted += octets
    os.close(controlling)
    return painted.decode()
