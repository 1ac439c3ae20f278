"""One real worker, driven by a test in the main process's place."""

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

from server.device.documents import make_document
from server.device.snapshot import EMPTY, load_snapshot
from server.http.requests import GateMode
from server.http.turns import Limits
from server.processes.delta import Whole, plan_delta
from server.processes.messages import (
    MAIN_DECODER,
    PROTOCOL,
    Drain,
    Ready,
    Start,
    WorkerConfig,
    open_channel,
)
from server.processes.sockets import bind_tcp
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE
from tests.server.processes.service import TIMESTAMP, ask

ROOT = Path(__file__).parents[3]


async def begin(parent, descriptors=()):
    """Start a worker; returns its process and our end of its channel."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.processes.worker"),
            *(str(theirs.fileno()), str(parent)),
            pass_fds=(theirs.fileno(), *descriptors),
            cwd=ROOT,
        )
    return process, ours


async def test_a_parent_that_has_ended():
    """A worker that started after its parent's end exits, though its channel is open."""
    process, ours = await begin(parent=os.getppid())
    with ours:
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 1


async def test_pieces_without_their_end(world):
    """Pieces of a snapshot are not served before the message that it is complete."""
    blobs = LocalBlobs(world.folder.blobs)
    first = await asyncio.to_thread(load_snapshot, world.folder.public, blobs, EMPTY)
    other = make_document(TIMESTAMP, b"{}", mutable=True)
    second = replace(first, documents={**first.documents, TIMESTAMP: other})
    (one,) = await asyncio.to_thread(bind_tcp, "127.0.0.1", 0, 1)
    port = one.getsockname()[1]
    hosts = (f"127.0.0.1:{port}".encode(),)
    config = WorkerConfig(GateMode.DIRECT, Limits(), hosts, str(world.folder.blobs))
    process, ours = await begin(os.getpid(), (one.fileno(),))
    with contextlib.closing(one):
        channel = await open_channel(MAIN_DECODER, ours)
        await channel.send(Start(PROTOCOL, config, (one.fileno(),), ()))
        for piece in plan_delta(EMPTY, first):
            await channel.send(piece)
        await channel.send(Whole(first.version, first.root))
        while Ready() not in await channel.receive():
            pass
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as kept:
            served = await asyncio.to_thread(ask, kept, TIMESTAMP, port)
            for piece in plan_delta(first, second):
                await channel.send(piece)
            # Messages are processed in order: once it drains, it has the pieces.
            await channel.send(Drain(60.0))
            answer = served
            while answer[2] != "close":
                answer = await asyncio.to_thread(ask, kept, TIMESTAMP, port)
                assert answer[:2] == served[:2]
        assert await process.wait() == 0
        channel.close()
