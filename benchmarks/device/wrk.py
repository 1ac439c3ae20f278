"""wrk, a well-known closed loop; it sleeps, and is slower than the fast path (PERFORMANCE.md)."""

import re
import subprocess

from benchmarks.device.measured import Measured, Window
from benchmarks.device.process import Server, find
from benchmarks.device.wire import HOST

_DONE = re.compile(r"(\d+) requests in ")
_BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")


def run_wrk(
    server: Server, path: str, seconds: float, connections: int = 64, cores: tuple[int, ...] = (1,)
) -> Measured:
    """Request `path`, accepting gzip, as fast as wrk can, over `connections` kept connections."""
    command = ["taskset", "-c", ",".join(map(str, cores)), find("wrk") or "wrk", "-t", "1"]
    command += ["-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", "10s"]
    command += ["-H", "Accept-Encoding: gzip", f"http://{HOST}:{server.port}{path}"]
    with subprocess.Popen(  # noqa: S603 - a benchmark tool of Debian
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        window = Window(server.pids)
        output, _ = process.communicate()
    done, bad, errors = _DONE.search(output), _BAD.search(output), _ERRORS.search(output)
    if done is None:
        raise RuntimeError(output)
    failed = int(bad[1]) if bad else 0
    failed += sum(map(int, errors.groups())) if errors else 0
    return window.close(int(done[1]), failed)
