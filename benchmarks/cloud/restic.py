"""Time restic's backup to a node and to restic-rest-server, in turns."""

import os
import random
import resource
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cloud.node import Node
from benchmarks.device.process import running

RIVAL = "restic-rest-server"
PASSWORD = "fixture only"  # noqa: S105 - of a repository that is thrown away


@dataclass(frozen=True, slots=True)
class Times:
    """Median ratios of a node to restic-rest-server: of elapsed time, and of CPU seconds."""

    clock: float
    cpu: float


def write_files(folder: Path, count: int, size: int, beginning: bytes = b"") -> None:
    """Write `count` incompressible files of `size` bytes, each with the same beginning."""
    folder.mkdir()
    draw = random.Random(4711)  # noqa: S311 - the same files in each run
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(beginning + draw.randbytes(size - len(beginning)))


def measure_restic(
    node: Node, name: str, token: str, folder: Path, files: Path, rounds: int
) -> Times | None:
    """Back up the files to both servers, `rounds` times; None if `RIVAL` is not installed."""
    if shutil.which(RIVAL) is None:
        return None
    clocks, cpus = [], []
    port = 18_090
    command = [RIVAL, "--no-auth", "--listen", f"127.0.0.1:{port}", "--path", str(folder / "rival")]
    with running(
        RIVAL, port, command, cores=range(os.cpu_count() or 1), log=folder / "log"
    ) as rival:
        for number in range(rounds):
            login = {"RESTIC_REST_USERNAME": name, "RESTIC_REST_PASSWORD": token}
            ours = back_up(f"rest:{node.url}/blobs/round-{number}/", login, folder, files, node.pid)
            url = f"rest:http://127.0.0.1:{port}/round-{number}/"
            theirs = back_up(url, {}, folder, files, rival.pid)
            clocks.append(ours[0] / theirs[0])
            cpus.append(ours[1] / theirs[1])
    return Times(statistics.median(clocks), statistics.median(cpus))


def back_up(
    repository: str, login: dict[str, str], folder: Path, files: Path, server: int
) -> tuple[float, float]:
    """Run a backup; return its elapsed seconds, and the CPU seconds of client and server."""
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "RESTIC_REPOSITORY": repository,
        "RESTIC_PASSWORD": PASSWORD,
        **login,
    }
    _run("init", environment)
    node = Node("", server)
    before, clock = node.cpu() + _children(), time.perf_counter()
    _run("backup", environment, str(files))
    return time.perf_counter() - clock, node.cpu() + _children() - before


def _run(word: str, environment: dict[str, str], *words: str) -> None:
    command = ["restic", "--no-cache", "--quiet", word, *words]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
