"""Measure when device nodes serve a publication, their start time, and the loss of a publisher.

    python -m benchmarks.site [--models 400] [--releases 4] [--entries 20000] [--publications 100]

A state of many models is published from a shared tree in a real S3 server (SeaweedFS). Three device
nodes run as processes, each with its own copy of the tree. After each publication the benchmark
requests the timestamp from every node until the node serves the new one; the time counts from the
swap of the pointer. Requests to S3 are counted at the publisher and at a fourth follower, both in
this process. Finally, at a small site on PostgreSQL, one of two publishers is killed in the middle
of a publication (`tests/system/test_lost_publisher.py` has the same scenario).
"""

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.big_state import BigState, clock, make_big_state, size_parser
from benchmarks.publish import halt
from server.publisher.bundle_importer import open_stores
from server.publisher.expiry.metrics import SWAPPED
from server.publisher.publisher import Publisher
from server.publisher.read_back import DiskReadBack
from server.storage.database import open_database
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.objects import Objects
from server.storage.s3_blobs import S3Blobs
from server.storage.s3_client import S3Place
from server.storage.s3_tree import POINTERS, TREE, S3Tree
from tests.lost_publisher import play
from tests.postgres import postgres_server
from tests.seaweed import BUCKET, KEY_ID, SECRET, Seaweed, run_seaweed
from tests.server.site import Site
from tests.server.world import make_world

NODES = 3
REQUESTS = {"get", "get_newer", "create", "replace", "remove", "list"}
ASK = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n\r\n"
PAUSE = 0.005  # seconds between two requests to a node
PREFIX = "bench"


class Counted(Objects):
    """An S3 client that counts its requests in `asked`, by method."""

    def __init__(self, place: S3Place) -> None:
        super().__init__(place)
        self.asked: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - whatever the attribute is
        if name in REQUESTS:
            self.asked[name] += 1
        return super().__getattribute__(name)


def share(state: BigState, seaweed: Seaweed) -> None:
    """Copy the tree and the blobs of a state to S3; the pointers go last."""
    objects = Objects(seaweed.place(f"{PREFIX}/shared"))
    public = state.folder.public
    names = [path.relative_to(public).as_posix() for path in public.rglob("*") if path.is_file()]
    for name in sorted(names, key=lambda name: name in POINTERS):
        objects.create(f"{TREE}/{name}", (public / name).read_bytes())
    there, here = S3Blobs(seaweed.place(f"{PREFIX}/blobs"), clock), LocalBlobs(state.folder.blobs)
    for blob in here.list():
        there.ingest(here.path(blob.sha256), blob.sha256, blob.length)


def make_node(folder: Path, root: bytes, seaweed: Seaweed) -> None:
    """Create the state folder of a device node: trusted root and settings."""
    (folder / "trusted").mkdir(parents=True)
    (folder / "trusted" / "root.json").write_bytes(root)
    (folder / "settings.toml").write_text(
        f'node = "device"\ntree_url = "s3://{BUCKET}/{PREFIX}/shared"\nport = 0\n'
        + blob_settings(seaweed)
    )


def blob_settings(seaweed: Seaweed) -> str:
    """Return the settings of a server whose packages are in S3."""
    return (
        f'blobs_url = "s3://{BUCKET}/{PREFIX}/blobs"\ns3_endpoint = "{seaweed.endpoint}"\n'
        f's3_key_id = "{KEY_ID}"\ns3_secret = "{SECRET}"\n'
    )


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[int, float]]:
    """Run a device node; yield its port and the seconds from start to the first status 200."""
    begun = time.perf_counter()
    program = Path(sys.executable).with_name("hening-server")
    process = await asyncio.create_subprocess_exec(
        program,
        "run",
        "--state",
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        port = int((await process.stdout.readline()).rpartition(b":")[2])
        node = await Node.open(port)
        while (await node.ask())[0] != b"200":  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(PAUSE)
        yield port, time.perf_counter() - begun
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        await process.wait()


class Node:
    """A persistent connection to a node."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Node":
        """Connect to a node on loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self) -> tuple[bytes, bytes]:
        """Request the timestamp; return the status and the entity tag of the response."""
        self._writer.write(ASK)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, lines = head.split(b" ", 2)[1], head.split(b"\r\n")[1:-2]
        fields = {
            name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)
        }
        await self._reader.readexactly(int(fields[b"content-length"]))
        return status, fields.get(b"etag", b"")

    async def until_other(self, before: bytes) -> float:
        """Request the timestamp until its entity tag is not `before`; return the time of that."""
        while (await self.ask())[1] == before:  # noqa: ASYNC110 - as above
            await asyncio.sleep(PAUSE)
        return time.perf_counter()


async def measure(chosen: argparse.Namespace, place: Path, seaweed: Seaweed) -> None:
    """Measure start times, delays and requests to S3, and print them."""
    state = await make_big_state(
        place / "state", chosen.models, chosen.releases, chosen.entries, print
    )
    await asyncio.to_thread(share, state, seaweed)
    root = state.folder.trusted_root.read_bytes()
    folders = [place / f"node-{number}" for number in range(NODES)]
    for folder in folders:
        await asyncio.to_thread(make_node, folder, root, seaweed)
    for what in ("with an empty disk", "with what it had"):
        async with running(folders[0]) as (_, seconds):
            print(f"a device node {what} answers {seconds:.2f} s after its start")
    publishing, following = (Counted(seaweed.place(f"{PREFIX}/shared")) for _ in range(2))
    shared = StateFolder(state.folder.root)
    swapped = 0.0

    def after_step(step: int) -> None:
        nonlocal swapped
        if step == SWAPPED:
            swapped = time.perf_counter()

    follower = S3Tree(following, place / "follower" / "public", place / "follower" / "staging")
    await asyncio.to_thread(follower.follow)
    async with contextlib.AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(open_database(shared.database))
        publisher = Publisher(
            shared,
            sessions,
            clock,
            DiskReadBack(shared.public),
            sys.exit,
            after_step,
            stores=replace(
                open_stores(shared), tree=S3Tree(publishing, shared.public, shared.staging)
            ),
        )
        await stack.enter_async_context(publisher.read_backs)
        await publisher.refresh()
        ports = [(await stack.enter_async_context(running(folder)))[0] for folder in folders]
        nodes = [await Node.open(port) for port in ports]
        behind, asked, followed = [], [], []
        for number in range(chosen.publications):
            before = [(await node.ask())[1] for node in nodes]
            publishing.asked.clear()
            waits = [
                asyncio.create_task(node.until_other(tag))
                for node, tag in zip(nodes, before, strict=True)
            ]
            await publisher.change_pointers(halt(state.codenames[number % chosen.models]))
            behind.append(max(await asyncio.gather(*waits)) - swapped)
            asked.append(publishing.asked.total())
            following.asked.clear()
            await asyncio.to_thread(follower.follow)
            followed.append(following.asked.total())
    report("seconds from the swap until all nodes serve it", behind, "7.3f")
    report("requests to S3 by the publisher, of a halt", [float(n) for n in asked], "7.0f")
    report("requests to S3 by a node that follows", [float(n) for n in followed], "7.0f")


async def lose_publisher(place: Path, seaweed: Seaweed) -> None:
    """Print how long a halt and a release wait for the lease of a killed publisher."""

    async def wait() -> None:
        pass

    with postgres_server() as postgres:
        world = await asyncio.to_thread(make_world, place / "state")
        site = await asyncio.to_thread(Site, world, postgres, seaweed, place)
        story = await play(site, place / "client", wait)
    print(
        f"a publisher was killed: a halt given then was public after {story.halt:.1f} s, the next"
        f" release that waited after {story.next:.1f} s"
    )


def report(what: str, values: list[float], form: str) -> None:
    """Print the median, the 99th percentile and the maximum."""
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    print(
        f"{what:48} median {statistics.median(ordered):{form}}  p99 {p99:{form}}"
        f"  most {ordered[-1]:{form}}"
    )


def main() -> None:
    """Run the measurement."""
    parser = size_parser(__doc__)
    parser.add_argument("--publications", type=int, default=100)
    parser.add_argument(
        "--without-loss", action="store_true", help="skip the loss, which needs PostgreSQL"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, run_seaweed(Path(name) / "seaweed") as seaweed:
        asyncio.run(measure(chosen, Path(name), seaweed))
        if not chosen.without_loss:
            asyncio.run(lose_publisher(Path(name) / "lost", seaweed))


if __name__ == "__main__":
    main()
