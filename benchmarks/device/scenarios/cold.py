"""The time from the start of a server with many models to its first answer, and its memory."""

import asyncio
import time
from pathlib import Path

from benchmarks.big_state import CHANNELS, make_big_state
from benchmarks.device.cpu import cpu_seconds, resident_bytes
from benchmarks.device.hening import running_hening
from benchmarks.device.lab import Lab
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report
from benchmarks.device.state import MIB, TIMESTAMP
from benchmarks.device.wire import ask, phone_request

MODELS = 400
TARGETS = 20_000
COLUMNS = ["seconds to an answer", "CPU seconds", "MiB of all processes"]


def cold(lab: Lab) -> Report:
    """Measure a start of the server in each round; the site's files are in the page cache."""
    models = max(2, round(MODELS * lab.scale))
    releases = max(1, round(TARGETS * lab.scale / models / len(CHANNELS)))
    state = asyncio.run(make_big_state(lab.place("state"), models, releases, 100, lab.tell))
    rows = [
        (name, _start(lab, state.folder.root, workers))
        for name, workers in (("hening", 0), ("hening, a worker", 1))
    ]
    seconds, _, memory = rows[0][1]
    claims = [
        Claim("first answer after the start", seconds, 1.0, "s", at_least=False),
        Claim("memory after the start", memory, 150.0, "MiB", at_least=False),
    ]
    title = f"Start with {models} models and {models * releases * len(CHANNELS):,} targets"
    return Report("cold", title, COLUMNS, rows, claims)


def _start(lab: Lab, root: Path, workers: int) -> list[float]:
    """Return the medians of `lab.rounds` starts, in the order of `COLUMNS`."""
    starts = []
    for _ in range(lab.rounds):
        began = time.perf_counter()
        log = lab.place("hening.log")
        with running_hening(root, log, workers=workers, cores=(0, 1)) as server:
            starts.append((_wait(server, began), *_look(server)))
    return [sorted(each)[len(each) // 2] for each in zip(*starts, strict=True)]


def _wait(server: Server, began: float) -> float:
    """Return the seconds from `began` to the first answer with status 200."""
    while ask(server.port, phone_request(server.port, TIMESTAMP)).status != 200:
        time.sleep(0.01)
    return time.perf_counter() - began


def _look(server: Server) -> tuple[float, float]:
    return cpu_seconds(server.pids), resident_bytes(server.pids) / MIB
