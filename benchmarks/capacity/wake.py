"""Measure a fleet whose phones wake together, on two cores, and compare it with the model.

The server is `hening-server run --workers 1` with a P-256 certificate, on core 0. The phones are
those of `hening-device fleet`, on core 1.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.table import Table

from benchmarks.capacity.model import Wave, poll_rates
from benchmarks.device.certificate import make_certificate
from benchmarks.device.cpu import cpu_seconds
from benchmarks.device.lab import Lab
from client_sim.fleet.tally import BINS

SERVER_CORE, LOAD_CORE = 0, 1
MORE = 3.0  # the fleet runs this many times as long as its phones take to wake: late responses
LEAST = 0.001  # hours that a fleet runs, at least
QUIET = ("--fresh", "0", "--flaky", "0", "--skewed", "0", "--current", "1")
FEW = 50  # bins with no more polls than this are not compared
_FLEET = "from client_sim.cli import main; main()"


def measure(lab: Lab, rates: Sequence[float], seconds: float, beside: int) -> Table:
    """Return a table of what phones that wake within `seconds` measure, at each rate.

    In the last row the server shares its core with `beside` busy processes, so that the rate
    exceeds its capacity.
    """
    certificate = make_certificate(lab.folder)
    root = lab.site.state.folder.trusted_root
    table = Table("phones a second", "server", "answered", "p50 ms", "p99 ms", "worst s", "cores")
    with lab.hening(certificate=certificate) as server:
        target = ("--url", f"https://127.0.0.1:{server.port}", "--root", str(root))
        for rate, spinners in (*((rate, 0) for rate in rates), (rates[-1], beside)):
            devices = round(rate * seconds)
            with spinning(spinners):
                before = cpu_seconds(server.pids)
                report = _run_fleet(
                    *(*target, "--authority", str(certificate.chain), "--wake", f"{seconds:g}"),
                    *(
                        "--devices",
                        f"{devices}",
                        "--hours",
                        f"{max(LEAST, MORE * seconds / 3600):g}",
                    ),
                )
                used = cpu_seconds(server.pids) - before
            late = report["latencies"]
            table.add_row(
                f"{rate:,.0f}",
                f"1/{spinners + 1} of a core" if spinners else "a core",
                f"{report['polls'] / devices:.1%}",
                *(f"{late[name] * 1000:.0f}" for name in ("p50", "p99")),
                f"{late['worst']:.1f}",
                f"{used / seconds:.2f}",
            )
    return table


def compare(wave: Wave, hours: float) -> str:
    """Return a sentence on how far a fleet on simulated time deviates from the model of a wave."""
    report = _run_fleet(
        *("--devices", f"{wave.phones}", "--hours", f"{hours:g}", "--wake", f"{wave.seconds:g}"),
        *("--models", "1", "--stage", "100%", "--download-every", "1000000"),
        *("--engine-every", "1000000000", "--speed", "20000"),
    )
    expected = poll_rates(wave, hours)
    step = len(expected) // BINS
    model = [sum(expected[at : at + step]) for at in range(0, len(expected), step)]
    pairs = [
        (point["polls"], polls)
        for point, polls in zip(report["curve"], model, strict=True)
        if polls > FEW
    ]
    seen, told = map(sum, zip(*pairs, strict=True))
    worst = max(abs(polls - each) / each**0.5 for polls, each in pairs)
    return (
        f"{wave.phones:,} simulated phones: {seen / told:.3f} of the model's polls in {hours:.0f}"
        f" hours; the worst quarter of an hour is {worst:.1f} standard deviations off."
    )


def _run_fleet(*words: str) -> Any:  # noqa: ANN401 - JSON
    command = ["taskset", "-c", f"{LOAD_CORE}", sys.executable, "-c", _FLEET, "fleet", *QUIET]
    command += ["--workers", "1", "--connections", "4096", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


@contextmanager
def spinning(count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Run `count` busy loops on the server's core until the block ends; yield the processes."""
    command = ["taskset", "-c", f"{SERVER_CORE}", sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]  # noqa: S603 - ours
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
