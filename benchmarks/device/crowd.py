"""Many connections that are open while a block runs."""

import contextlib
import subprocess
from collections.abc import Iterator

from benchmarks.device.lab import Lab
from benchmarks.device.load.spec import CrowdSpec


@contextlib.contextmanager
def crowd(lab: Lab, spec: CrowdSpec) -> Iterator["subprocess.Popen[bytes]"]:
    """Open the connections, yield the process that has them, and close them after the block."""
    process = lab.begin("crowd", spec)
    if process.stdout is None or process.stdin is None:
        raise RuntimeError("a crowd without pipes")
    try:
        if process.stdout.readline() != b"ready\n":
            _, errors = process.communicate()
            raise RuntimeError(errors.decode(errors="replace")[-2000:])
        yield process
    finally:
        process.communicate()
