"""A publication while phones poll at 60 % of the server's peak rate."""

import asyncio
import statistics
import time
from pathlib import Path

from benchmarks.big_state import submit
from benchmarks.device.lab import Lab, finish
from benchmarks.device.load.spec import OpenSpec
from benchmarks.device.measured import Measured
from benchmarks.device.process import Server
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import alternate, median
from benchmarks.device.scenarios.late import peak
from benchmarks.device.state import TIMESTAMP
from benchmarks.device.wire import ask, phone_request

SHARE = 0.6
LOOK_SECONDS = 0.02
SETTLE_SECONDS = 0.3  # after the swap, still counted as "during": garbage collection
PATIENCE_SECONDS = 30.0
COLUMNS = ["p50 ms", "p99 ms", "worst ms"]
STRETCHES = ("before", "during", "after")


def publish(lab: Lab) -> Report:
    """Submit a role; measure latencies before, during and after its publication."""
    with lab.hening() as server:
        rate = SHARE * peak(lab, server)
        results = alternate({"hening": lambda: _run(lab, server, rate)}, lab.rounds, lab.tell)[
            "hening"
        ]
    rows: list[Row] = []
    for number, stretch in enumerate(STRETCHES):
        names = (f"p50-{number}", f"p99-{number}", f"max-{number}")
        cells = [statistics.median(run.latencies[name] for run in results) for name in names]
        rows.append((stretch, cells))
    worst = max(run.latencies["p99-1"] for run in results)
    failed = float(sum(run.failed for run in results))
    claims = [
        Claim("failed requests at a publication", failed, 0, "", at_least=False),
        Claim("p99 at a publication, worst round", worst, 20.0, "ms", at_least=False),
    ]
    visible = median(results, lambda run: run.extra["visible"])
    note = f"{rate:,.0f} polls a second; seen by phones {visible:.2f} s after it was handed in."
    title = "A publication at 60 % load"
    return Report("publish", title, COLUMNS, rows, claims, note)


def _run(lab: Lab, server: Server, rate: float) -> Measured:
    state = lab.site.state
    lab.known["version"] = version = lab.known.get("version", 1) + 1
    codename = state.codenames[-1]
    role = asyncio.run(state.next_role(codename, int(version)))
    data = phone_request(server.port, TIMESTAMP)
    marks = lab.place("marks")
    marks.touch()
    spec = OpenSpec(
        port=server.port,
        seconds=2 * lab.seconds + 2,
        watch=server.pids,
        requests=[data.decode()],
        rate=rate,
        keep=True,
        marks=str(marks),
    )
    load = lab.begin("open", spec)
    time.sleep(lab.seconds)
    before = ask(server.port, data).body
    begin = _mark(marks)
    submit(state.folder, {(codename, int(version)): role})
    while ask(server.port, data).body == before:
        time.sleep(LOOK_SECONDS)
        if time.perf_counter() > begin + PATIENCE_SECONDS:
            raise RuntimeError("what was handed in was not published")
    visible = time.perf_counter() - begin
    time.sleep(SETTLE_SECONDS)
    _mark(marks)
    done = finish(load)
    return Measured(
        done=done.done,
        failed=done.failed,
        seconds=done.seconds,
        cpu=done.cpu,
        other=0.0,  # CPU of the publication is not a disturbance
        latencies=done.latencies,
        extra={"visible": visible},
    )


def _mark(marks: Path) -> float:
    now = time.perf_counter()
    with marks.open("a") as file:
        file.write(f"{now}\n")
    return now
