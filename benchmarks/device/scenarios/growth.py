"""The cost of more codenames: CPU per poll, which must not grow, and memory per 1,000 files."""

import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.big_state import CHANNELS, BigState, make_big_state
from benchmarks.device.cpu import resident_bytes
from benchmarks.device.hening import running_hening, worker_pids
from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import ClosedSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import alternate, median, ratio
from benchmarks.device.state import MIB, TIMESTAMP
from benchmarks.device.wire import phone_request

CODENAMES = (10, 100, 1000)
FLAT = 1.05
COLUMNS = ["per second", "CPU us a poll", "to 10 codenames", "files", "MiB of the process"]


def growth(lab: Lab) -> Report:
    """Measure servers with 10, 100 and 1,000 codenames in alternating rounds."""
    counts = sorted({max(2, round(count * lab.scale)) for count in CODENAMES})
    files, memory = {}, {}
    with ExitStack() as stack:
        servers = {}
        for count in counts:
            root = lab.place(f"state-{count}")
            state = asyncio.run(make_big_state(root, count, 1, 100, lab.tell))
            server = stack.enter_context(
                running_hening(
                    state.folder.root, lab.place("hening.log"), name=f"{count:,} codenames"
                )
            )
            servers[server.name] = server
            files[server.name] = _count_files(state)
        runs = {name: partial(_run, lab, server) for name, server in servers.items()}
        results = alternate(runs, lab.rounds, lab.tell)
        for name, server in servers.items():
            memory[name] = resident_bytes(worker_pids(server))
    few, many = next(iter(servers)), list(servers)[-1]
    rows: list[Row] = [
        (
            name,
            [
                median(measured, lambda run: run.rate),
                median(measured, lambda run: 1e6 / run.per_cpu),
                ratio(results, name, few, lambda run: 1 / run.per_cpu),
                files[name],
                memory[name] / MIB,
            ],
        )
        for name, measured in results.items()
    ]
    slope = (memory[many] - memory[few]) / max(1, files[many] - files[few]) * 1000
    grown = ratio(results, many, few, lambda run: 1 / run.per_cpu)
    claims = [
        Claim(f"CPU per poll at {many} to {few}", grown, FLAT, "", at_least=False),
    ]
    note = f"Memory per 1,000 files: {slope / MIB:.2f} MiB."
    return Report("growth", "More codenames", COLUMNS, rows, claims, note)


def _run(lab: Lab, server: Server) -> Measured:
    asked = [phone_request(server.port, TIMESTAMP).decode()]
    spec = ClosedSpec(port=server.port, seconds=lab.seconds, watch=server.pids, requests=asked)
    return lab.run("closed", spec)


def _count_files(state: BigState) -> int:
    """Return the number of served URLs: the files of the public tree, and the packages."""
    public: Path = state.folder.public
    documents = sum(1 for path in public.rglob("*") if path.is_file())
    return documents + len(state.codenames) * state.releases * len(CHANNELS)
