"""Bytes that a phone sends and receives in a poll, with 102, 1,008 and 7,200 pointers."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence

from benchmarks.big_state import BigState, clock, make_big_state
from benchmarks.device.hening import running_hening
from benchmarks.device.lab import Lab
from benchmarks.device.report import Report, Row
from benchmarks.device.wire import HOST
from client_sim.device.client import PollingClient
from client_sim.device.internet import RealWorld
from client_sim.world import BuildFacts, Public, Stream
from server.bootstrap import open_publisher
from server.core.names import decode_channel
from server.core.pointer import Pointer
from server.publisher.published import Published
from server.publisher.read_back import DiskReadBack
from server.publisher.rollout import plan_halt

REGIONS = ("id", "in", "eu", "ru", "tr", "tw")
KINDS = ("stable", "beta", "nightly")
# Numbers of codenames and regions; each region has three channels.
SIZES = ((34, 1), (56, 6), (400, 6))
COLUMNS = [
    "first poll: sent",
    "received",
    "unchanged: sent",
    "received",
    "changed: sent",
    "received",
]


class CountingStream:
    """A connection that counts sent and received bytes."""

    def __init__(self, stream: Stream, counts: "CountingWorld") -> None:
        self._stream = stream
        self._counts = counts

    def send(self, data: bytes) -> None:
        """Count the bytes and send them."""
        self._counts.sent += len(data)
        self._stream.send(data)

    def recv(self, limit: int) -> bytes:
        """Receive bytes and count them."""
        data = self._stream.recv(limit)
        self._counts.received += len(data)
        return data

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


class CountingWorld(RealWorld):
    """The real world, with the bytes of HTTP counted, without those of TCP and TLS."""

    sent = 0
    received = 0

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Return a connection that counts its bytes here."""
        return CountingStream(super().connect(address, port, tls), self)


def sizes(lab: Lab) -> Report:
    """Measure the real client's first poll of the server, the next one, and one after a change."""
    rows: list[Row] = []
    for codenames, regions in SIZES:
        count = max(2, round(codenames * lab.scale))
        pointers = count * regions * len(KINDS)
        cells = measure_poll(lab, count, REGIONS[:regions])
        rows.append((f"{pointers:,} pointers of {count} codenames", cells))
    note = "Bytes of HTTP, heads and bodies; TCP and TLS come on top."
    return Report("sizes", "What a poll costs a phone", COLUMNS, rows, [], note)


def measure_poll(lab: Lab, codenames: int, regions: Sequence[str]) -> list[float]:
    """Return the bytes of `COLUMNS` for a state of `codenames` with three channels per region."""
    channels = tuple(f"{region}/{kind}" for region in regions for kind in KINDS)
    root = lab.place(f"state-{codenames}")
    state = asyncio.run(make_big_state(root, codenames, 1, 100, lab.tell, channels))
    memory: dict[str, bytes] = {}
    cells: list[float] = []
    with running_hening(state.folder.root, lab.place("hening.log")) as server:
        cells += _poll(state, server.port, memory)
        cells += _poll(state, server.port, memory)
    asyncio.run(_halt_one(state))
    with running_hening(state.folder.root, lab.place("hening.log")) as server:
        cells += _poll(state, server.port, memory)
    return cells


def _poll(state: BigState, port: int, memory: dict[str, bytes]) -> tuple[float, float]:
    public = Public(
        host=HOST,
        port=port,
        tls=False,
        codename=state.codenames[0],
        region="id",
        channel="stable",
        root=state.folder.trusted_root.read_bytes(),
        ota_certificate=b"",
        built_at=1_767_225_600,
        build=BuildFacts("Hening/model000/model000:14/UKQ1/0:user/release-keys", "0", 0, 0, ""),
    )
    world = CountingWorld(public, memory, now=time.time, entropy=os.urandom)
    outcome = PollingClient(world).poll()
    if outcome.failure is not None:
        raise RuntimeError(str(outcome))
    return float(world.sent), float(world.received)


async def _halt_one(state: BigState) -> None:
    channel = decode_channel(f"{state.codenames[1]}/{state.channels[0]}")

    def halt(published: Published) -> Mapping[str, Pointer]:
        pointers = dict(published.pointers())
        path = channel.pointer_path
        pointers[path] = plan_halt(channel, pointers[path], {})
        return pointers

    alarms: list[str] = []
    read_back = DiskReadBack(state.folder.public)
    async with open_publisher(state.folder, clock, read_back, alarms.append) as publisher:
        await publisher.change_pointers(halt)
    if alarms:
        raise RuntimeError(alarms[0])
