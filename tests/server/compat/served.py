"""The dialects' plane on a real socket, in a thread with its own loop."""

import asyncio
import contextlib
import socket
import threading

import uvloop
from prometheus_client import CollectorRegistry

from server.compat.plane import CompatPlane
from server.compat.rendering import Rendered
from server.http.counts import Counts
from server.http.listener import listening
from server.processes.dialect_pieces import make_lists
from tests.patience import PATIENCE
from tests.server.device.served import Served


@contextlib.contextmanager
def serve_contents(options, contents, blobs, *, changes=(), clock=lambda: 0.0, tls=None):
    """Serve a map until the block ends; `clock` returns epoch seconds."""
    plane = CompatPlane(options, blobs, Counts(), clock)
    plane.serve(make_lists(Rendered(contents=contents, changes=tuple(changes))))
    served = Served(0, CollectorRegistry(), plane)
    ready, stop = threading.Event(), None

    async def main():
        nonlocal stop
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda _loop, context: served.errors.append(context))
        served.loop = loop
        with socket.create_server(("127.0.0.1", 0)) as sock:
            served.port = sock.getsockname()[1]
            async with listening(plane, [sock], tls=tls) as listener:
                served.listener = listener
                ready.set()
                await stop.wait()

    thread = threading.Thread(target=lambda: uvloop.run(main()))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield served
    finally:
        served.loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)
    assert served.errors == []
