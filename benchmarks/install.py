"""Compare a phone's whole installation with decompressing and hashing the same payload.

    python -m benchmarks.install [--size 1000] [--rounds 3]

The benchmark creates a full package with a payload of `--size` megabytes (10**6 bytes): chunks of
2 MiB as AOSP's generator cuts them, each in the smallest of the three forms of a full payload. The
chunks are libraries and programs of this machine, the usual content of a system image. A server in
a separate process sends the package over loopback, by sendfile.

`stream` is the installation of a phone: it fetches blocks of 8 MiB, checks every hash and
signature, decompresses, writes, syncs, keeps its journal, and reads the images back. `whole`
fetches the complete package before it installs it. `peer` reads the payload, hashes it,
decompresses each operation and hashes the result, and writes nothing: one thread, the same
libraries. Each runs in a separate process and finds the package in the page cache.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.install_parts.content import collect_pieces, describe_pieces
from benchmarks.install_parts.sending import sending
from fixtures.big_package import write_big_package
from fixtures.catalogue import find_build

GOAL = 1.5
SCRATCH_HELP = "for the temporary files: package and phone"


def run(way: str, path: Path, port: int) -> dict[str, float]:
    """Run `way` once in a separate process and return its measurements."""
    command = [sys.executable, "-m", "benchmarks.install_parts.run", way, str(path), str(port)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - ours
    return json.loads(done.stdout)


def best(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the fastest run."""
    return min(runs, key=lambda each: each["seconds"])


def report(size: int, found: dict[str, dict[str, float]]) -> None:
    """Print the measurements, as ratios to the peer and as absolute numbers of this machine."""
    peer = found["peer"]["seconds"]
    print(f"{'':<10} {'seconds':>8} {'MB/s':>6} {'to peer':>8} {'cpu s':>6} {'more MB':>8}")
    for way, each in found.items():
        print(
            f"{way:<10} {each['seconds']:>8.2f} {size / each['seconds'] / 1e6:>6.0f}"
            f" {each['seconds'] / peer:>8.2f} {each['processor_seconds']:>6.1f}"
            f" {each['memory'] / 1e6:>8.0f}"
        )
    parts = found["peer"]
    print(
        f"\nof the peer's: decompressing {parts['decompressing']:.2f} s, hashing the payload"
        f" {parts['hashing_data']:.2f} s, the images {parts['hashing_images']:.2f} s"
    )
    ratio = found["stream"]["seconds"] / peer
    print(
        f"an installation takes {ratio:.2f} times the peer's time; the goal is below {GOAL}:"
        f" {'reached' if ratio < GOAL else 'missed'} ({os.cpu_count()} processors)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.install", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--size", type=int, default=1000, metavar="MB", help="default: 1000")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--noise", action="store_true", help="use incompressible data")
    parser.add_argument("--folder", type=Path, help=SCRATCH_HELP)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as scratch:
        path = Path(scratch) / "armani.zip"
        pieces = () if chosen.noise else collect_pieces()
        print(describe_pieces(pieces))
        write_big_package(path, find_build("armani", "id", 1), chosen.size * 10**6, pieces=pieces)
        with path.open("rb") as file:
            (path.parent / "sha256").write_text(hashlib.file_digest(file, "sha256").hexdigest())
        runs: dict[str, list[dict[str, float]]] = {"peer": [], "stream": [], "whole": []}
        with sending(path) as port:
            for _ in range(chosen.rounds):
                for way, done in runs.items():
                    done.append(run(way, path, port))
        report(path.stat().st_size, {way: best(done) for way, done in runs.items()})


if __name__ == "__main__":
    main()
