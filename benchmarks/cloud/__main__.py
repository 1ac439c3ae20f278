"""Measure the server and the phone's part of the cloud against their goals.

    python -m benchmarks.cloud [--files 1000] [--size 3000000] [--connections 10000] [--rounds 5]

The node runs as a separate process, on SQLite and a folder. Ratios are medians of rounds in one
run. Elapsed times are valid only on an otherwise idle machine; CPU seconds are valid on any.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.cloud.batch import measure_batch, measure_nothing_new
from benchmarks.cloud.memory import measure_idle, measure_uploads
from benchmarks.cloud.node import make_cloud, running_node
from benchmarks.cloud.owner import signed_up
from benchmarks.cloud.phone import JPEG, measure_items, measure_photos, measure_upload
from benchmarks.cloud.restic import measure_restic, write_files


@dataclass(frozen=True, slots=True)
class Goal:
    """A measured value, and its upper bound, or with `is_least` its lower bound."""

    name: str
    seen: float | None
    bound: float | None
    unit: str
    is_least: bool = False

    @property
    def verdict(self) -> str:
        """Whether the goal holds; empty if it was not measured or has no bound."""
        if self.seen is None or self.bound is None:
            return ""
        is_missed = self.seen < self.bound if self.is_least else self.seen > self.bound
        return "missed" if is_missed else "holds"


def main() -> None:
    """Run all measurements and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cloud", description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="files that restic backs up")
    parser.add_argument("--size", type=int, default=3_000_000, help="bytes of each file")
    parser.add_argument("--uploads", type=int, default=50, help="concurrent uploads")
    parser.add_argument("--connections", type=int, default=10_000, help="idle connections")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    table = Table(title="The cloud: server and phone", title_justify="left")
    for column in ("must hold", "seen", "bound", ""):
        table.add_column(column, justify="left" if column == "must hold" else "right")
    with tempfile.TemporaryDirectory(prefix="hening-cloud-") as folder:
        for goal in _measure(Path(folder), arguments):
            seen = "not measured" if goal.seen is None else f"{goal.seen:,.2f}"
            side = "≥" if goal.is_least else "≤"
            bound = "" if goal.bound is None else f"{side} {goal.bound:,g}"
            table.add_row(goal.name, seen, f"{bound} {goal.unit}", goal.verdict)
    Console().print(table)


def _measure(folder: Path, arguments: argparse.Namespace) -> Iterator[Goal]:
    for name in ("memory", "idle", "batch", "restic", "phone"):
        (folder / name).mkdir()
    run = partial(running_node, folder / "new", make_cloud(folder / "new"))
    with run(folder / "memory") as node:

        async def upload() -> float:
            async with signed_up(node.url) as owner:
                return await measure_uploads(node, owner, arguments.uploads)

        yield Goal(f"{arguments.uploads} parallel uploads", asyncio.run(upload()), 150, "MiB")
    with run(folder / "idle") as node:
        idle = asyncio.run(measure_idle(node, arguments.connections))
        yield Goal(f"{arguments.connections:,} idle connections", idle, 400, "MiB")
    with run(folder / "batch") as node:

        async def write() -> tuple[float, float]:
            async with signed_up(node.url) as owner:
                batch = await measure_batch(node, owner, folder / "batch", arguments.rounds)
                return batch, await measure_nothing_new(node, owner, 200)

        batch, nothing = asyncio.run(write())
        yield Goal("batch of 100 to decoding and bare SQLite, CPU", batch, 4, "")
        yield Goal("nothing new, one request for each collection, CPU", nothing, 5, "ms")
    write_files(folder / "files", arguments.files, arguments.size, JPEG)
    items, photos = measure_items(), measure_photos(size=arguments.size)
    yield Goal("phone: encrypting items, a CPU second", items, 20_000, "", is_least=True)
    yield Goal("phone: encrypting photos, a CPU second", photos, 200, "MiB", is_least=True)
    with run(folder / "phone") as node:
        upload = measure_upload(node, folder, arguments.rounds)
        yield Goal("phone's photos to restic-rest-server, clock", upload.restic, 1.0, "")
        yield Goal("phone's photos to writing with fsync, clock", upload.disk, 4, "")
    with run(folder / "restic") as node:

        async def make_token() -> str:
            async with signed_up(node.url) as owner:
                return await owner.make_token()

        token = asyncio.run(make_token())
        restic = measure_restic(node, "owner", token, folder, folder / "files", arguments.rounds)
        yield Goal(
            "restic's backup to restic-rest-server, clock", restic and restic.clock, 1.15, ""
        )
        yield Goal("the same, CPU of client and server", restic and restic.cpu, None, "")


if __name__ == "__main__":
    main()
