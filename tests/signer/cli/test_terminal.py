"""Commands on a terminal."""

import os
import select
import subprocess
import termios
import time
from pathlib import Path

import pytest

from fixtures.signing import CERTIFICATE_FILE
from tests.patience import PATIENCE

LOCAL_MODES = 3  # an index into the result of tcgetattr

# The command handles Control-C even if the tests run in the background and ignore it.
SCRIPT = """
import os, signal, sys
from datetime import UTC, datetime
print(os.getpid(), flush=True)
os.login_tty(0)
signal.signal(signal.SIGINT, signal.default_int_handler)
from signer.cli import main
from signer.cli.runtime import Runtime
sys.exit(main(sys.argv[1:], Runtime(datetime(2026, 6, 1, 12, tzinfo=UTC), os.urandom, {})))
"""


class Terminal:
    """A process on a terminal whose other end the test holds."""

    def __init__(self, forked, arguments) -> None:
        self.end, other = os.openpty()
        command = [*forked, SCRIPT, *(str(each) for each in arguments)]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        environment.pop("HENING_SIGNER_PASSPHRASE", None)
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=environment
        )
        os.close(other)
        self.screen = b""
        self.read_until(b"\n")
        self.pid = int(self.screen.split()[0])

    def read(self, seconds) -> bool:
        """Add what appears within `seconds` to the screen; return whether anything did."""
        if not select.select([self.end], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.end, 4096)
        except OSError:  # on Linux: the other end is closed
            return False
        self.screen += data
        return bool(data)

    def read_until(self, data) -> None:
        """Read until the screen shows `data`."""
        deadline = time.monotonic() + PATIENCE
        while data not in self.screen and time.monotonic() < deadline:
            self.read(1)
        assert data in self.screen, self.screen

    def type(self, data) -> None:
        """Type at the terminal."""
        os.write(self.end, data)

    def interrupt(self) -> int:
        """Type Control-C at a prompt for a passphrase, and return the exit status.

        The prompt is shown just before the terminal disables its echo and discards its input. A
        signal between Python's last check and the blocking read would be noticed only after the
        read.
        """
        deadline = time.monotonic() + PATIENCE
        while termios.tcgetattr(self.end)[LOCAL_MODES] & termios.ECHO or self._state() != "S":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.type(b"\x03")
        return self.finish()

    def _state(self) -> str:
        """Return the process's state in proc(5): R is running, S is waiting."""
        status = Path(f"/proc/{self.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0]

    def finish(self) -> int:
        """Read to the end and return the exit status."""
        while self.read(60):
            pass
        return self.process.wait(PATIENCE)


@pytest.fixture
def terminal(forked):
    """Return a function that starts a command on its own terminal."""
    started = []

    def start(*arguments) -> Terminal:
        started.append(Terminal(forked, arguments))
        return started[-1]

    yield start
    for each in started:
        os.close(each.end)
        each.process.kill()
        each.process.wait()


def test_prompt_is_not_overwritten(terminal, sign_arguments, zips, passphrase) -> None:
    """The prompt is the last thing on the screen until it is answered."""
    shown = terminal(*sign_arguments, "--certificate", CERTIFICATE_FILE, zips["first"])
    shown.read_until(b"Passphrase of armani-1: ")
    # A bar repaints itself ten times a second.
    while shown.read(0.5):
        pass
    assert shown.screen.endswith(b"Passphrase of armani-1: ")
    shown.type(passphrase + b"\n")
    shown.read_until(b"Passphrase of armani-2 (empty: as before): ")
    shown.type(b"\n")
    assert shown.finish() == 0
    assert b"Signed armani/id/stable/armani-first.zip, counter 1." in shown.screen
    assert passphrase not in shown.screen


def test_interrupt_a_prompt(terminal, sign_arguments, zips, tmp_path, tree) -> None:
    """Control-C at a prompt ends with one line and changes nothing."""
    before = tree(tmp_path)
    shown = terminal(*sign_arguments, "--certificate", CERTIFICATE_FILE, zips["first"])
    shown.read_until(b"Passphrase of armani-1: ")
    assert shown.interrupt() == 130
    assert shown.screen.endswith(b"\r\nhening-signer: Stopped.\r\n")
    assert b"Traceback" not in shown.screen
    assert tree(tmp_path) == before
