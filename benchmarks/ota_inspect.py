"""Compare `ota inspect` with `sha256sum` on the same large package, in the same run.

`python -m benchmarks.ota_inspect --size 6144` writes a package of 6144 MiB, reads it with both
programs and removes it; then the same with an incremental of many operations. Both programs find
the package in the page cache. An inspection with a certificate computes four overlapping SHA-256
digests in a single pass: of the file (the digest of its signed part is an intermediate state of the
same hash), of the payload, of the payload's signed part, and of each operation's data; and a
CRC-32. Processor time is also shown, because it is the same on a busy machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fixtures.big_package import PATCH, write_big_package
from fixtures.catalogue import Build, find_build
from fixtures.signing import CERTIFICATE_FILE
from signer.ota.hashing import THREADS

DIGESTS = 4
GOAL = 0.8
INSPECT = (
    *(sys.executable, "-c", "from signer.cli import main; main()"),
    *("ota", "inspect", "--json", "--certificate", str(CERTIFICATE_FILE)),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program: elapsed time, processor time, and peak memory."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


def measure(command: Sequence[str]) -> Run:
    """Run a command and measure it. Raise RuntimeError if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - both are ours
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def compare(path: Path, rounds: int) -> tuple[Run, Run]:
    """Run `sha256sum` and `ota inspect` in turns; return the fastest run of each."""
    plain, inspected = [], []
    for _ in range(rounds):
        plain.append(measure(["sha256sum", str(path)]))
        inspected.append(measure([*INSPECT, str(path)]))
    return min(plain, key=lambda run: run.seconds), min(inspected, key=lambda run: run.seconds)


def report(size: int, plain: Run, inspected: Run) -> None:
    """Print the measurements, as ratios and as absolute numbers of this machine."""
    print(f"{'program':<12} {'seconds':>8} {'MB/s':>8} {'ratio':>6} {'cpu s':>8} {'peak MB':>8}")
    for name, run in (("sha256sum", plain), ("ota inspect", inspected)):
        speed, ratio = size / run.seconds / 1e6, plain.seconds / run.seconds
        print(
            f"{name:<12} {run.seconds:>8.2f} {speed:>8.0f} {ratio:>6.2f}"
            f" {run.processor_seconds:>8.2f} {run.peak_bytes / 1e6:>8.0f}"
        )
    share = plain.seconds / inspected.seconds * DIGESTS
    work = plain.processor_seconds / inspected.processor_seconds * DIGESTS
    print(
        f"\n{size} bytes, {DIGESTS} overlapping digests on {THREADS} threads,"
        f" {os.cpu_count()} processors"
    )
    print(
        f"speed: {share:.0%} of sha256sum's divided by {DIGESTS}; the goal is {GOAL:.0%}:"
        f" {'reached' if share >= GOAL else 'missed'}"
    )
    print(f"work: by processor time the same is {work:.0%}, as on one thread of an idle machine")


def write_and_compare(chosen: argparse.Namespace, size: int, source: Build | None) -> None:
    """Write one package, read it with both programs and print the comparison."""
    with tempfile.TemporaryDirectory(dir=chosen.folder) as scratch:
        path = Path(scratch) / "armani-big.zip"
        write_big_package(path, find_build("armani", "id", 2), size, source=source)
        report(path.stat().st_size, *compare(path, chosen.rounds))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ota_inspect", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="default: 1024")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--folder", type=Path, help="for the temporary package")
    parser.add_argument(
        "--operations", type=int, default=160_000, help="number in the incremental; default: 160000"
    )
    chosen = parser.parse_args(arguments)
    write_and_compare(chosen, chosen.size << 20, None)
    print(f"\nan incremental of {chosen.operations} operations")
    write_and_compare(chosen, chosen.operations * PATCH, find_build("armani", "id", 1))


if __name__ == "__main__":
    main()
