"""nghttp2's h2load as an open loop over HTTP/1.1: `h2load --h1 --rps`."""

import subprocess
from pathlib import Path

from benchmarks.device.load.spec import LOAD_CORE
from benchmarks.device.measured import Measured, Window, percentiles
from benchmarks.device.process import Server, find
from benchmarks.device.wire import HOST

CONNECTIONS = 64
MICRO = 1e-6


def run_h2load(server: Server, path: str, rate: float, seconds: float, log: Path) -> Measured:
    """Send `rate` requests per second; latencies are from h2load's log of each request."""
    command = ["taskset", "-c", str(LOAD_CORE), find("h2load") or "h2load", "--h1", "-t", "1"]
    command += ["-c", str(CONNECTIONS), "-D", str(max(1, round(seconds)))]
    command += ["--rps", f"{rate / CONNECTIONS:.3f}", "--log-file", str(log)]
    command += ["-H", "Accept-Encoding: gzip", f"http://{HOST}:{server.port}{path}"]
    with subprocess.Popen(  # noqa: S603 - a benchmark tool of Debian
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        window = Window(server.pids)
        process.wait()
        ran = window.close(0)
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    log.unlink()
    good = [int(row[2]) * MICRO for row in rows if row[1] == "200"]
    begins = [int(row[0]) * MICRO for row in rows]
    return Measured(
        done=len(good),
        failed=len(rows) - len(good),
        seconds=max(begins) - min(begins),  # without h2load's start and end
        cpu=ran.cpu,
        other=ran.other,
        latencies=percentiles(good),
    )
