"""Time `hening-server export` of a big site: first run, no change, and after one release.

    python -m benchmarks.export [--models 400] [--releases 4] [--entries 20000]

The peer, in the same run, is `cp -r` of the mirror, which neither syncs nor verifies.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.big_state import BigState, clock, make_big_state, submit
from server.bootstrap import open_publisher
from server.publisher.read_back import DiskReadBack

SERVER = "from server.cli import main; main()"


def export(state: BigState, out: Path) -> tuple[float, int]:
    """Run the export; return its seconds, and the number of files it wrote."""
    command = [sys.executable, "-c", SERVER, "export", "--json", "--out", str(out)]
    command += ["--state", str(state.folder.root)]
    begin = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return time.perf_counter() - begin, json.loads(done.stdout)["written"]


async def publish(state: BigState) -> None:
    """Publish one more build of one model."""
    codename = state.codenames[0]
    submit(state.folder, {(codename, 2): await state.next_role(codename, 2)})
    read_back = DiskReadBack(state.folder.public)
    async with open_publisher(state.folder, clock, read_back, sys.exit) as publisher:
        for result in await publisher.process_incoming():
            if result.reason:
                sys.exit(result.reason)


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=400)
    parser.add_argument("--releases", type=int, default=4)
    parser.add_argument("--entries", type=int, default=20_000, help="old entries of the log")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        out, copy = Path(place) / "mirror", Path(place) / "copy"
        state = asyncio.run(
            make_big_state(
                Path(place) / "state", chosen.models, chosen.releases, chosen.entries, print
            )
        )
        print(f"load average {os.getloadavg()[0]:.1f}")
        rows = [("the first run", *export(state, out)), ("nothing new", *export(state, out))]
        asyncio.run(publish(state))
        rows.append(("one release later", *export(state, out)))
        begin = time.perf_counter()
        subprocess.run(["cp", "-r", str(out), str(copy)], check=True)  # noqa: S603, S607 - ours
        peer = time.perf_counter() - begin
    print(f"peer: cp -r takes {peer:.2f} s")
    for name, seconds, written in rows:
        print(f"{name:18} {seconds:6.2f} s, {seconds / peer:.1f} times the peer, {written} written")


if __name__ == "__main__":
    main()
