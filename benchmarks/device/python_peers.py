"""Python servers as peers, run in the environment that `make peers` creates."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.device.ports import free_port
from benchmarks.device.process import Server, running

_APPS = Path(__file__).parent / "apps"
_ROOT = Path(__file__).parents[2]


def peers_bin() -> Path:
    """Return the folder of the peers' programs: `.venv-peers` for `.venv`, with the same suffix."""
    return _ROOT / Path(sys.prefix).name.replace(".venv", ".venv-peers", 1) / "bin"


def has_python_peers() -> bool:
    """Return whether granian and gunicorn are installed."""
    return (peers_bin() / "granian").exists() and (peers_bin() / "gunicorn").exists()


@contextlib.contextmanager
def flask_gunicorn(folder: Path) -> Iterator[Server]:
    """Run Flask under gunicorn with threads: the default worker closes each connection."""
    port = free_port()
    command = [str(peers_bin() / "gunicorn"), "-w", "1", "-k", "gthread", "--threads", "4"]
    command += ["--keep-alive", "75", "-b", f"127.0.0.1:{port}", "flask_app:app"]
    with _running("Flask, gunicorn", port, command, folder) as server:
        yield server


@contextlib.contextmanager
def granian(folder: Path) -> Iterator[Server]:
    """Run granian with one worker and its own interface, RSGI."""
    port = free_port()
    command = [str(peers_bin() / "granian"), "--interface", "rsgi", "--http", "1", "--no-ws"]
    command += ["--workers", "1", "--loop", "uvloop", "--no-access-log", "--backlog", "4096"]
    command += ["--port", str(port), "rsgi_app:app"]
    with _running("granian", port, command, folder) as server:
        yield server


@contextlib.contextmanager
def _running(name: str, port: int, command: Sequence[str], folder: Path) -> Iterator[Server]:
    environment = {"PEER_CONTENT": str(folder / "content.json"), "PYTHONDONTWRITEBYTECODE": "1"}
    log = folder / f"{name}.log"
    with running(
        name, port, command, cores=(0,), log=log, environment=environment, folder=_APPS
    ) as server:
        yield server
