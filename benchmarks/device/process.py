"""Starts servers on given cores, and stops them."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.device.cpu import tree
from benchmarks.device.wire import HOST

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Server:
    """A server on `port` of loopback; `name` is its name in tables."""

    name: str
    port: int
    pid: int

    @property
    def pids(self) -> list[int]:
        """The ids of the server's processes."""
        return list(tree(self.pid))


@contextlib.contextmanager
def running(
    name: str,
    port: int,
    command: Sequence[str],
    *,
    cores: Sequence[int] = (0,),
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[Server]:
    """Run a server on `cores` until the block ends; its output goes to the file `log`."""
    pinned = ["taskset", "-c", ",".join(map(str, cores)), *command]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the peers' commands are in this folder
            pinned,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            cwd=folder,
        )
    try:
        _wait(name, port, process, log)
        yield Server(name, port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in list(tree(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def find(program: str) -> str | None:
    """Return the path of a program, searching also the folders of system programs."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _wait(name: str, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, port)).close()
            return
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"{name} does not listen: {log.read_text(errors='replace')[-2000:]}")
