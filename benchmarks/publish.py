"""Time a release and a halt, from the request until a device node serves the result.

    python -m benchmarks.publish [--models 400] [--releases 4] [--entries 20000]

A state of many models with three channels each is created and published. Then the publisher and a
device node run in this process, as `hening-server run` runs them. A client requests the timestamp
over a socket until it changes: after a bundle was put into `incoming`, and after a rollout was
halted. The peer, in the same run, is python-tuf's client, which verifies the roles that a phone
with factory settings verifies: root, timestamp, snapshot, targets, latest and one model's role.
"""

import asyncio
import contextlib
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from benchmarks.big_state import CHANNELS, BigState, clock, make_big_state, size_parser, submit
from benchmarks.tuf_peer import verify_alone
from server.bootstrap import open_publisher
from server.core.names import decode_channel
from server.core.pointer import Pointer
from server.device_serving import Inherited, serving_phones
from server.publish_loop import TICK_SECONDS
from server.publisher.published import Published
from server.publisher.publisher import Publisher
from server.publisher.read_back import DiskReadBack
from server.publisher.rollout import plan_halt
from server.settings import Settings
from server.storage.local_blobs import LocalBlobs

REQUEST = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: bench\r\n\r\n"
STEPS = {
    1: "1 blobs",
    2: "2 verify",
    3: "3 sign, stage, audit",
    4: "4 log",
    5: "5 immutable files",
    6: "6 swap",
}
SEEN = "seen by a client"


@dataclass
class Clockwork:
    """Records when each step of the current publication ended."""

    begun: float = 0.0
    ends: dict[str, float] = field(default_factory=dict)

    def begin(self) -> None:
        """Start the clock of a new publication."""
        self.begun, self.ends = time.perf_counter(), {}

    def after_step(self, step: int) -> None:
        """Record the end of a step."""
        if step in STEPS:
            self.ends[STEPS[step]] = time.perf_counter()

    def seen(self) -> None:
        """Record that a client has received the new timestamp."""
        self.ends[SEEN] = time.perf_counter()

    def split(self) -> dict[str, float]:
        """Return the seconds of each step."""
        rows, before = {}, self.begun
        for name, end in self.ends.items():
            rows[name], before = end - before, end
        return rows


@contextlib.asynccontextmanager
async def running(state: BigState, work: Clockwork) -> AsyncIterator[tuple[Publisher, int]]:
    """Run a publisher and a device node; yield the publisher and the node's port."""
    blobs = LocalBlobs(state.folder.blobs)

    def after_step(step: int) -> None:
        work.after_step(step)
        phones.watch.after_step(step)

    read_back = DiskReadBack(state.folder.public)
    async with (
        serving_phones(
            state.folder, Settings(port=0), clock, blobs, Inherited((), {}, asyncio.Event())
        ) as phones,
        open_publisher(
            state.folder, clock, read_back, sys.exit, after_step=after_step
        ) as publisher,
    ):

        async def look() -> None:
            while True:
                for result in await publisher.process_incoming():
                    if result.reason:
                        sys.exit(result.reason)
                await asyncio.sleep(TICK_SECONDS)

        async with asyncio.TaskGroup() as group:  # a failure of one ends the measurement
            tasks = [group.create_task(phones.watch.run()), group.create_task(look())]
            yield publisher, phones.port
            for task in tasks:
                task.cancel()


async def until_changed(port: int, act: Callable[[], Awaitable[object]], work: Clockwork) -> None:
    """Start `act` and request the timestamp until it changes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask() -> bytes:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = (line.split(b": ") for line in head.split(b"\r\n")[1:-2])
        fields = {name.lower(): value for name, value in lines}
        await reader.readexactly(int(fields[b"content-length"]))
        return fields[b"etag"]

    before = await ask()
    work.begin()
    task = asyncio.ensure_future(act())
    while await ask() == before:  # noqa: ASYNC110 - a client can only ask
        await asyncio.sleep(0.002)
    work.seen()
    await task
    writer.close()


def halt(codename: str) -> Callable[[Published], Mapping[str, Pointer]]:
    """Return the change of the pointers that halts one channel of `codename`."""
    channel = decode_channel(f"{codename}/{CHANNELS[0]}")

    def edit(published: Published) -> Mapping[str, Pointer]:
        pointers = published.pointers()
        path = channel.pointer_path
        return {**pointers, path: plan_halt(channel, pointers[path], {"en": "It drains."})}

    return edit


async def measure(
    folder: Path, models: int, releases: int, entries: int, rounds: int
) -> tuple[list[dict[str, float]], list[dict[str, float]], list[float]]:
    """Return the seconds per step of each release and of each halt, and the peer's seconds."""
    state = await make_big_state(folder / "state", models, releases, entries, print)
    work = Clockwork()
    submits, halts, peer = [], [], []
    async with running(state, work) as (publisher, port):
        await publisher.refresh()
        await until_changed(port, lambda: publisher.change_pointers(halt(state.codenames[0])), work)
        for number in range(rounds):
            codename = state.codenames[1 + number % (models - 1)]
            version = 2 + number // (models - 1)
            data = await state.next_role(codename, version)
            bundle = {(codename, version): data}
            await until_changed(
                port, lambda bundle=bundle: asyncio.to_thread(submit, state.folder, bundle), work
            )
            submits.append(work.split())
            await until_changed(
                port, lambda name=codename: publisher.change_pointers(halt(name)), work
            )
            halts.append(work.split())
            peer.append(await asyncio.to_thread(verify_alone, state, codename))
    return submits, halts, peer


def report(what: str, splits: list[dict[str, float]], peer: float) -> None:
    """Print the median of each step, and the median and the maximum of the totals."""
    print(f"\n{what}")
    for name in splits[0]:
        print(f"  {name:24} {statistics.median(split[name] for split in splits):8.3f} s")
    totals = sorted(sum(split.values()) for split in splits)
    print(
        f"  {'visible after':24} {statistics.median(totals):8.3f} s,"
        f" {statistics.median(totals) / peer:.1f} times the peer; worst {totals[-1]:.3f} s,"
        f" of {len(totals)}"
    )


def main() -> None:
    """Run the measurement."""
    parser = size_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as place:
        submits, halts, peers = asyncio.run(
            measure(Path(place), chosen.models, chosen.releases, chosen.entries, chosen.rounds)
        )
    peer = statistics.median(peers)
    print(f"{chosen.models * len(CHANNELS)} pointers, {chosen.entries} entries in the log's past")
    print(f"peer: python-tuf verifies six roles in {peer:.3f} s")
    report("a release, from its bundle in incoming", submits, peer)
    report("a halt, from the call", halts, peer)


if __name__ == "__main__":
    main()
