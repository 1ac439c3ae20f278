"""hening's server, as an operator runs it."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.device.certificate import Certificate
from benchmarks.device.cpu import command_line
from benchmarks.device.ports import free_port
from benchmarks.device.process import Server, running
from benchmarks.device.wire import HOST
from server.cli.state import run

NAME = "hening"
_MAIN = "from server.cli import main; main()"
_WORKER = "server.processes.worker"


@contextlib.contextmanager
def running_hening(
    root: Path,
    log: Path,
    *,
    workers: int = 1,
    cores: Sequence[int] = (0,),
    name: str = NAME,
    checkout: Path | None = None,
    config: Path | None = None,
    certificate: Certificate | None = None,
) -> Iterator[Server]:
    """Run `hening-server run --workers N` on a state folder until the block ends.

    If the command has no option `--workers`, its only process answers phones. The code is that of
    the folder `checkout`, by default that of this program.
    """
    port = free_port()
    command = [sys.executable, "-P", "-c", _MAIN, "run", "--state", str(root)]
    command += ["--port", str(port), "--gate", "direct"]
    if has_workers():
        command += ["--workers", str(workers)]
    if certificate is not None:
        command += ["--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key)]
        command += ["--public-url", f"https://{HOST}:{port}"]
    if config is not None:
        command += ["--config", str(config)]
    # With -P the working folder is not in the module path, nor in that of workers.
    environment = None if checkout is None else {"PYTHONPATH": str(checkout)}
    with running(
        name, port, command, cores=cores, log=log, environment=environment, folder=checkout
    ) as server:
        yield server


def has_workers() -> bool:
    """Return whether the command has the option `--workers`."""
    return any(parameter.name == "workers" for parameter in run.params)


def worker_pids(server: Server) -> list[int]:
    """Return the ids of the processes that answer phones."""
    workers = [pid for pid in server.pids if _WORKER in command_line(pid)]
    return workers or [server.pid]
