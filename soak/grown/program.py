"""A program on a machine of the site: started, killed, paused, and started again."""

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

READY_SECONDS = 600.0  # ends what hangs; a busy machine is no failure
LOOK_SECONDS = 0.05
RESTART_SECONDS = 1.0
REFUSED = (1, 2)  # statuses after which systemd leaves a unit of ours alone
TAIL = 2000  # characters of a log in an error


@dataclass
class Program:
    """A program; `machine` is None where it needs no network. Its output is appended to `log`.

    `is_ready` says whether it does its work. It runs as `user`, by default that of this process.
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
        """Start it; it is not ready yet."""
        inside = self.command if self.machine is None else self.machine.inside(self.command)
        # The user is changed after the namespace, which only root may enter.
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
        """Wait until it is ready; raises RuntimeError if it ends, or after READY_SECONDS."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                tail = self.log.read_text("utf-8", "replace")[-TAIL:]
                raise RuntimeError(f"{self.name} {'ended' if ended else 'is not ready'}: {tail}")
            time.sleep(LOOK_SECONDS)

    def kill(self) -> None:
        """Kill it with all its children, as a power cut does; it stays dead until it is started."""
        process, self.process = self.process, None
        if process is not None:
            _signal(process.pid, signal.SIGKILL)
            process.wait()

    def pause(self) -> None:
        """Stop it in the middle of what it does."""
        if self.process is not None:
            _signal(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self.process is not None:
            _signal(self.process.pid, signal.SIGCONT)


class Keeper:
    """Starts programs again that ended by themselves, as systemd does.

    `say` receives the program's name, its status, and whether it is started again.
    """

    def __init__(self, programs: Sequence[Program], say: Callable[[str, int, bool], None]) -> None:
        self._programs = programs
        self._say = say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let programs be."""
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
    """Send a signal to a process and all below it."""
    pids = [pid]
    for each in pids:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                pids += map(int, (thread / "children").read_text().split())
    for each in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)


def answers(url: str) -> bool:
    """Answer whether an HTTP server answers at all; a status of 500 or more does not count."""
    try:
        with urlopen(url, timeout=5):
            return True
    except HTTPError as error:
        return error.code < 500
    except (URLError, OSError):
        return False
