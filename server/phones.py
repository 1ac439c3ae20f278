"""The device plane of this process: its sockets, what is served on them, and what it counts."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from server.device.counts import Counts
from server.device.listener import listening
from server.device.plane import DevicePlane
from server.device.served import make_served, phone_host
from server.device.snapshot import Snapshot
from server.opening import Clock
from server.settings import Settings
from server.snapshot_watch import SnapshotWatch
from server.storage.blobs import BlobReader
from server.storage.errors import StorageError
from server.storage.layout import StateFolder


@dataclass(frozen=True, slots=True)
class Phones:
    """Where phones are answered, from what, and how often."""

    port: int
    url: str
    watch: SnapshotWatch
    counts: Counts


@contextlib.asynccontextmanager
async def serving_phones(
    folder: StateFolder, settings: Settings, clock: Clock, blobs: BlobReader
) -> AsyncIterator[Phones]:
    """Serve the last release until the block ends; whoever is given it keeps its watch running.

    Raises StorageError where the port is taken.
    """
    with _bind(settings.host, settings.port) as bound:
        port = bound.getsockname()[1]
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = settings.public_url or f"http://{name}:{port}"
        hosts = (phone_host(url),)
        plane = DevicePlane(blobs, Counts(), settings.gate, lambda: clock().timestamp())

        async def show(snapshot: Snapshot) -> None:
            plane.served = await asyncio.to_thread(
                make_served, snapshot, hosts, settings.gate, plane.served
            )

        watch = SnapshotWatch(folder, blobs, show)
        await watch.look()
        async with listening(plane, [bound]):
            yield Phones(port, url, watch, plane.counts)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StorageError(f"port {port} is in use: choose another with --port.") from error
