"""A fleet's own server whose program fails."""

import json
import os
import signal
import subprocess
import sys

import pytest

from client_sim.fleet import own_server
from client_sim.fleet.errors import EnvironmentFailedError
from client_sim.fleet.own_server import ClockFile, OwnServer

NOW = 1_770_000_000.0
KEYS = dict.fromkeys(("latest", "snapshot", "timestamp"), "0" * 64)
PUBLIC = {"keys": {**KEYS, "log": "log+00000000+AAAA"}}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that installs a Python text as the program `hening-server`."""

    def write(text):
        source, file = tmp_path / "program.py", tmp_path / "hening-server"
        source.write_text(f"import sys, pathlib\n{text}\n")
        # A `#!` line cannot name an interpreter whose path has a space.
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{source}" "$@"\n')
        file.chmod(0o755)
        monkeypatch.setattr(own_server, "_find_program", lambda: str(file))
        return OwnServer(tmp_path / f"fleet-{len(text)}", lambda: NOW)

    return write


def after_init(then):
    """Return a program that writes keys for `init`, and otherwise runs `then`."""
    return (
        "words = sys.argv\n"
        "if words[1] == 'init':\n"
        "    keys = pathlib.Path(words[words.index('--state') + 1]) / 'keys'\n"
        "    keys.mkdir(parents=True, exist_ok=True)\n"
        f"    (keys / 'public.json').write_text({json.dumps(PUBLIC)!r})\n"
        "else:\n"
        f"    {then}\n"
    )


def test_failing_program(program):
    """The error has a command's last line, or the log of a server that prints no address."""
    for text, words in (
        (
            "sys.exit('many words\\nno room on the disk')",
            "hening-server init failed: no room on the",
        ),
        (after_init("print('no address')"), r"did not start; .*server\.log"),
    ):
        fault = pytest.raises(EnvironmentFailedError, match=words)
        with program(text) as server, fault:
            server.publish(1, 8192)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_the_server_starts(program, monkeypatch, number):
    """The signal comes when the process exists and the fleet does not hold it yet."""
    processes = []

    class Popen(subprocess.Popen):
        def __init__(self, *words, **options):
            super().__init__(*words, **options)
            if "run" in self.args:
                processes.append(self)
                os.kill(os.getpid(), number)

    def end(number, _frame):
        raise SystemExit(number)

    monkeypatch.setattr("subprocess.Popen", Popen)
    before = signal.signal(number, end)
    try:
        with (
            pytest.raises(SystemExit),
            program(after_init("import time; time.sleep(60)")) as server,
        ):
            server.publish(1, 8192)
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    assert [process.returncode for process in processes] == [-signal.SIGTERM]


def test_program_that_is_not_installed(monkeypatch, tmp_path):
    """The fleet fails before it creates a file."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(EnvironmentFailedError, match="not installed beside hening-device"):
        OwnServer(tmp_path / "fleet", lambda: NOW)


def test_clock_file(tmp_path):
    """It has microseconds in eight bytes, little-endian, rewritten in place."""
    clock = ClockFile(tmp_path / "clock", 1_700_000_000.25)
    assert clock.path.read_bytes() == (1_700_000_000_250_000).to_bytes(8, "little")
    clock.set(1_700_000_300.0)
    clock.set(50.0)  # an earlier time is ignored: nothing may be signed in the past
    assert clock.seconds == 1_700_000_300.0
    assert clock.path.read_bytes() == (1_700_000_300_000_000).to_bytes(8, "little")
    clock.close()
