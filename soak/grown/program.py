"""Starts, kills, pauses and restarts the programs on the machines of a site."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from soak.grown.network import Machine
from soak.server_process import REPOSITORY

READY_SECONDS = 600.0  # for programs that hang; long enough for a busy machine
LOOK_SECONDS = 0.05
RESTART_SECONDS = 1.0
REFUSED = (1, 2)  # exit statuses after which systemd does not restart hening's units
TAIL = 2000  # characters of a log in an error


@dataclass
class Program:
    """A program; `machine` is None if it needs no network. Its output is appended to `log`.

    `is_ready` returns whether it is ready. It runs as `user`, by default that of this process.
    """

    name: str
    machine: Machine | None
    command: Sequence[str]
    log: Path
    is_ready: Callable[[], bool]
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the program without waiting until it is ready."""
        inside = self.command if self.machine is None else self.machine.inside(self.command)
        # The user is changed inside the namespace, because only root may enter it.
        if self.user is not None and self.machine is not None:
            by = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
            inside = self.machine.inside([*by, *self.command])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                inside,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY if self.user is None else "/",
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **self.environment},
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until the program is ready.

        Raises RuntimeError if it ends, or after READY_SECONDS.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                tail = self.log.read_text("utf-8", "replace")[-TAIL:]
                raise RuntimeError(f"{self.name} {'ended' if ended else 'is not ready'}: {tail}")
            time.sleep(LOOK_SECONDS)

    def kill(self) -> None:
        """Kill the program and its descendants, like a power cut; Keeper does not restart it."""
        process, self.process = self.process, None
        if process is not None:
            _signal(process.pid, signal.SIGKILL)
            process.wait()

    def pause(self) -> None:
        """Suspend the program (SIGSTOP)."""
        if self.process is not None:
            _signal(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the program (SIGCONT)."""
        if self.process is not None:
            _signal(self.process.pid, signal.SIGCONT)


class Keeper:
    """Restarts programs that ended by themselves, as systemd does.

    `say` receives the program's name, its exit status, and whether it is restarted.
    """

    def __init__(self, programs: Sequence[Program], say: Callable[[str, int, bool], None]) -> None:
        self._programs = programs
        self._say = say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Start watching the programs."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching the programs."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        given_up: set[int] = set()
        while not self._stop.wait(RESTART_SECONDS):
            for program in self._programs:
                process = program.process
                status = None if process is None else process.poll()
                if process is None or status is None or process.pid in given_up:
                    continue
                again = status not in REFUSED
                self._say(program.name, status, again)
                if again and program.process is process:
                    program.start()
                else:
                    given_up.add(process.pid)


def _signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and its descendants."""
    pids = [pid]
    for each in pids:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                pids += map(int, (thread / "children").read_text().split())
    for each in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)


def answers(url: str) -> bool:
    """Return whether an HTTP server answers with a status below 500."""
    try:
        with urlopen(url, timeout=5):
            return True
    except HTTPError as error:
        return error.code < 500
    except (URLError, OSError):
        return False
