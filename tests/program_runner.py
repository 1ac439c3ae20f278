"""Runs the three programs with a shifted clock; only the time that they read is changed."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tuf.api.metadata import Metadata

from demo.stage import PASSPHRASE, Stage, StageError
from tests.patience import until

ROOT = Path(__file__).parents[1]
COMMAND = Path(__file__).with_name("forked_command.py")


class Started:
    """A program that `tests.forked` runs, with attributes and methods of `subprocess.Popen`."""

    def __init__(self, door, name, arguments, output, environment):
        self._caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._caller.connect(str(door))
        reader, writer = os.pipe()
        self.stdout = os.fdopen(reader)
        words = [name, str(ROOT), "18", "0 1 2", str(len(arguments)), *arguments]
        words += [f"{name}={value}" for name, value in {**os.environ, **environment}.items()]
        message = b"\0".join(map(os.fsencode, words))
        with Path(os.devnull).open("rb") as nothing:
            streams = [nothing.fileno(), writer, output.fileno()]
            socket.send_fds(self._caller, [message], streams)
        os.close(writer)
        self.pid = int(self._caller.recv(16))
        self.returncode = None

    def __enter__(self):
        """Return itself."""
        return self

    def __exit__(self, *_):
        """Wait for the program's end."""
        self.wait()
        self.stdout.close()
        self._caller.close()

    def wait(self, timeout=None):
        """Wait for the program's end; returns the exit status."""
        if self.returncode is None:
            self._caller.settimeout(timeout)
            self.returncode = int(self._caller.recv(16))
        return self.returncode

    def send_signal(self, number):
        """Send a signal, unless the program's end is known."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self):
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Programs:
    """Starts programs in `tests.forked`.

    If `path` is in a shell's PATH, the shell starts them, too, under their own names. Packages that
    `python -m fixtures.build` makes there are cached in `packages`.
    """

    def __init__(self, packages=None):
        self._folder = Path(tempfile.mkdtemp(prefix="hening-forked-"))
        self.packages = packages or self._folder / "packages"
        self.path = self._folder / "bin"
        self.python = self.path / "python"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(str(self._folder / "door"))
            door.listen()
            self._zygote = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.forked", str(door.fileno())),
                    *(self.python, self.packages),
                ],
                cwd=ROOT,
                env={**os.environ, "HENING_SIGNER_PASSPHRASE": PASSPHRASE, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[door.fileno()],
                text=True,
            )
        self.path.mkdir()
        for name in ("hening-server", "hening-signer", "hening-device", "python"):
            lines = ["#!/bin/sh", f'exec {shlex.join(self.command(name))} "$@"', ""]
            if name == "python":  # with other options it runs as a separate process
                lines.insert(1, f'case $1 in -c | -m) ;; *) exec {sys.executable} "$@" ;; esac')
            script = self.path / name
            script.write_text("\n".join(lines))
            script.chmod(0o755)

    def command(self, name):
        """Return the words of a command line that starts a program."""
        words = (sys.executable, "-IS", COMMAND, self._folder / "door", name)
        return [str(word) for word in words]

    def start(self, name, *arguments, output, environment=()):
        """Start a program; its errors go to the open file `output`, and its output into a pipe."""
        words = [str(each) for each in arguments]
        return Started(self._folder / "door", name, words, output, dict(environment))

    def ask(self, **job):
        """Run a job and return the answer."""
        self._zygote.stdin.write(json.dumps(job) + "\n")
        self._zygote.stdin.flush()
        return json.loads(self._zygote.stdout.readline())

    def close(self):
        """End the helper."""
        self._zygote.stdin.close()
        self._zygote.wait()
        self._zygote.stdout.close()
        shutil.rmtree(self._folder)


class ShiftedStage(Stage):
    """A stage whose programs have a clock `ahead` seconds ahead; tests may change `ahead`.

    A running server keeps the clock that it was started with. A server that is started more than
    twelve hours after the last signature needs `hening-server clock confirm` first.
    """

    ahead = 0.0

    def __init__(self, folder, programs) -> None:
        super().__init__(folder)
        self.programs = programs
        self._pid = 0

    def start_server(self, *options):
        """Start the server, and wait until it prints its address."""
        self.start(*options, listens=1)

    def start(self, *options, listens):
        """Start the server, and wait until it has printed `listens` addresses; returns them."""
        out = self.folder / "listening"
        out.unlink(missing_ok=True)
        arguments = ["run", "--state", self.server_state, "--port", "0", *options]
        self._pid = self._ask("server.cli", arguments, out, wait=False)["pid"]
        until(lambda: out.exists() and out.read_text().count("\n") == listens)
        addresses = out.read_text().split()
        self.port = int(addresses[0].rpartition(":")[2])
        return addresses

    def stop_server(self):
        """Stop the server."""
        if self._pid:
            self.programs.ask(end=self._pid)
            self._pid = 0

    def wait_until_signed(self) -> None:
        """Wait until the published timestamp is valid by this clock."""
        file = self.server_state / "public" / "metadata" / "timestamp.json"
        now = datetime.now(UTC) + timedelta(seconds=self.ahead)
        until(lambda: Metadata.from_bytes(file.read_bytes()).signed.expires > now)

    def run(self, module, *arguments):
        """Run a program; returns its exit status, standard output and standard error."""
        out, err = self.folder / "out", self.folder / "err"
        for file in (out, err):
            file.write_bytes(b"")
        status = self._ask(module, arguments, out, wait=True)["status"]
        return status, out.read_text(), err.read_text()

    def _run(self, module, name, *arguments):
        status, said, error = self.run(module, *arguments)
        if status:
            raise StageError(f"{name} {arguments[0]}: {error.strip() or said.strip()}")
        try:
            return json.loads(said)
        except ValueError:
            return said

    def _ask(self, module, arguments, out, *, wait):
        return self.programs.ask(
            program=module,
            arguments=[str(each) for each in arguments],
            out=str(out),
            err=str(self.folder / ("err" if wait else "server.log")),
            ahead=self.ahead,
            wait=wait,
        )
