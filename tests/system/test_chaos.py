"""A whole site under faults: machines are killed, disconnected and replaced; every rule holds."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.patience import PATIENCE, until

pytestmark = [
    pytest.mark.needs(name)
    for name in ("namespaces", "seaweed", "postgresql", "nginx", "faketime", "small-disk")
]
COMMAND = [sys.executable, "-m", "soak.grown"]
FAULTS = ("kill publisher-1", "cut device-1", "pause s3", "promote the standby")
# A disconnected node leaves the rotation after five seconds. Of 3,000 seeds this one has the
# shortest pauses between four faults.
HOLD, SEED = 6, 2804


def test_a_site_under_faults(tmp_path):
    """A publisher is killed, a node disconnected, the store paused, the database replaced."""
    options = [word for fault in FAULTS for word in ("--fault", fault)]
    options += ["--hold", str(HOLD), "--seed", str(SEED), "--heal", str(PATIENCE)]
    done = subprocess.run(
        [*COMMAND, "chaos", "--out", str(tmp_path), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "history.jsonl").stat().st_size > 0
    assert max(map(len, done.stdout[done.stdout.rindex("rule") :].splitlines())) <= 80


def test_cleanup_after_sigterm():
    """After SIGTERM the site's programs and its folder are gone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as a user of its own
        with subprocess.Popen(
            [*COMMAND, "up"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": name},
        ) as site:
            until(lambda: site.poll() is not None or list(folder.glob("*/**/postmaster.pid")))
            assert site.poll() is None, site.stderr.read()
            assert len(running(folder)) > 2
            site.send_signal(signal.SIGTERM)
            site.wait(PATIENCE)
        assert running(folder) == []
        assert list(folder.iterdir()) == []


def running(folder):
    """Return the processes whose command line contains a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in (process / "cmdline").read_bytes():
                found.append(process)
    return found


def test_missing_programs_are_named():
    """If programs are missing, the command starts nothing, names them, and exits with 3."""
    done = subprocess.run(
        [*COMMAND, "chaos"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": "/nonexistent"},
    )
    assert done.returncode == 3
    assert done.stderr.startswith("soak.grown: not installed: ip, ")
