"""A long run of the device plane under mixed load and faults.

`python -m soak --minutes 10` runs a real server on loopback. From 10 % to 70 % of the run, releases
are published, workers are killed and replaced, and blobs are moved away. After that there is only
load, and memory must not grow. The exit status is 1 if a problem has no fault that explains it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from client_sim.fleet.response_learner import record_idle_poll
from client_sim.fleet.target import Target
from soak.client import ADDRESS
from soak.faults import Injector
from soak.fuzzing import fuzz
from soak.load import NAME, Load, Site
from soak.memory import Slope, fit_slope
from soak.publishing import PACKAGE, Publishing
from soak.server_process import ServerProcess, run_server
from soak.verdict import Run
from tests.ports import free_port

WARM, FAULTY = 0.1, 0.7  # when faults begin and end, as fractions of the run
FUZZED = 0.25
JUDGED_SECONDS = 50.0  # minimum time without faults from which memory growth is judged
SETTLE_SECONDS = 15.0  # within which connections of clients that have ended must be closed
GAUGES = ("hening_connections", "hening_downloads")


class Watch:
    """Measures memory every second and shows the progress of the run."""

    def __init__(self, server: ServerProcess, load: Load, seconds: float, err: Console) -> None:
        self.points: dict[int, list[tuple[float, int]]] = {}
        self._server = server
        self._load = load
        self._seconds = seconds
        self._err = err

    async def run(self) -> None:
        """Measure until the end of the run."""
        loop = asyncio.get_running_loop()
        with Progress(console=self._err, disable=not self._err.is_terminal) as progress:
            bar = progress.add_task("load and faults", total=self._seconds)
            for second in range(1, round(self._seconds) + 1):
                await asyncio.sleep(max(0.0, self._server.begun + second - loop.time()))
                for pid, size in self._server.memory().items():
                    self.points.setdefault(pid, []).append((float(second), size))
                done = sum(sum(each.values()) for each in self._load.counts.values())
                what = f"{done} clients, {len(self._load.failures)} failed"
                progress.update(bar, completed=second, description=what)
                if not self._err.is_terminal and second % 30 == 0:
                    self._err.print(f"{second} s: {what}")

    def slopes(self, since: float) -> Mapping[str, Slope]:
        """Return the memory growth after `since` of each process that is still running."""
        found = {}
        for number, pid in enumerate(self._server.pids):
            slope = fit_slope([each for each in self.points.get(pid, []) if each[0] >= since])
            if slope is not None:
                found[f"worker {number}" if number else "main process"] = slope
        return found


async def run(seconds: float, workers: int | None, err: Console) -> Run:
    """Run the server, the load, the faults and the fuzzers; return the observations."""
    with tempfile.TemporaryDirectory(prefix="hening-soak-") as place:
        publishing = await asyncio.to_thread(Publishing, Path(place))
        metrics = free_port()
        async with run_server(publishing.world.folder.root, metrics, workers) as server:
            root = publishing.world.folder.trusted_root.read_bytes()
            target = Target(NAME, server.port, ADDRESS, tls=False, root=root)
            paths = await asyncio.to_thread(record_idle_poll, target, time.time())
            site = Site(server.port, publishing.package, PACKAGE, paths)
            load = Load(site, seed=4711)
            injector = Injector(server, publishing.world.folder.blobs)
            watch = Watch(server, load, seconds, err)
            calm, end = asyncio.Event(), asyncio.Event()
            await publishing.submit()  # descriptors are counted with an open database
            await publishing.unpublished()
            before = server.descriptors()
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run(server.begun, end))
                await asyncio.sleep(seconds * WARM)
                fuzzing = group.create_task(fuzz(seconds * FUZZED))
                group.create_task(publishing.run(calm))
                group.create_task(injector.run(calm))
                watching = group.create_task(watch.run())
                await asyncio.sleep(seconds * (FAULTY - WARM))
                calm.set()
                await watching
                end.set()
            quiet = seconds * FAULTY + SETTLE_SECONDS
            slopes = watch.slopes(quiet) if seconds - quiet >= JUDGED_SECONDS else {}
            unpublished = await publishing.unpublished()
            after, still_open = await _settled(server, metrics, before)
        return Run(
            seconds=seconds,
            counts=load.counts,
            windows=injector.windows,
            failures=load.failures,
            complaints=server.complaints,
            published=len(publishing.submitted) - len(unpublished),
            unpublished=unpublished,
            slopes=slopes,
            descriptors=(before, after),
            still_open=still_open,
            fuzzed=fuzzing.result(),
            status=server.status,
        )


async def _settled(
    server: ServerProcess, metrics: int, before: int
) -> tuple[int, Mapping[str, float]]:
    """Return the descriptors and the open connections of the server after all clients have ended.

    Wait at most SETTLE_SECONDS for both to go down.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + SETTLE_SECONDS
    while True:
        after = server.descriptors()
        still_open = await asyncio.to_thread(_gauges, metrics)
        if loop.time() > until or (after <= before and not any(still_open.values())):
            return after, still_open
        await asyncio.sleep(0.5)


def _gauges(metrics: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    pairs = (line.split(" ") for line in lines if line.startswith(GAUGES))
    return {name: float(value) for name, value in pairs}


def show(run: Run, out: Console) -> None:
    """Print the results as text."""
    table = Table("clients", "answer", "number")
    for kind, words in run.counts.items():
        for word, number in sorted(words.items()):
            table.add_row(kind, word, str(number))
    out.print(table)
    faults = [each.fault.name for each in run.windows]
    for name in sorted(set(faults)):
        out.print(f"{faults.count(name)} times {name}")
    out.print(f"{run.published} publications, {len(run.complaints)} complaints in the log")
    for name, slope in run.slopes.items():
        grown = f"{slope.size / 1e3:+.0f} ± {slope.error / 1e3:.0f} kB a minute"
        out.print(f"memory of {name}: {grown} ({'flat' if slope.is_flat else 'grows'})")
    if not run.slopes:
        out.print("memory: not judged, the run was under four minutes")
    out.print("descriptors: {} before, {} after".format(*run.descriptors))
    for name, end in run.fuzzed.items():
        out.print(f"fuzzing {name}: {end}")
    for problem in run.problems:
        out.print(problem, markup=False, style="red")
    out.print("passed" if not run.problems else f"failed: {len(run.problems)} problems")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, help="workers of the server; default: its own")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    chosen = parser.parse_args()
    result = uvloop.run(run(chosen.minutes * 60, chosen.workers, Console(stderr=True)))
    if chosen.json:
        print(json.dumps(result.as_json()))
    else:
        show(result, Console())
    sys.exit(1 if result.problems else 0)


if __name__ == "__main__":
    main()
