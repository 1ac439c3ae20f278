"""Runs a server over its state folder: it serves phones first, then starts `full_node`.

A device node only serves phones, from a copy of the shared tree and a pinned root. It has neither
database nor keys. Any number of device nodes can answer for one host name. A device node that
cannot reach the store continues to serve phones and reports itself as not ready.
"""

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

import structlog
from prometheus_client import CollectorRegistry

from server.device_serving import (
    Inherited,
    renew_at,
    serve_dialects,
    serving_phones,
    watching,
)
from server.health import serving_health
from server.http.counts import CountsCollector
from server.processes.supervisor import LostCollector
from server.settings import Node, Settings
from server.storage.layout import StateFolder
from server.stores import Clock, open_blobs

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def running(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    *,
    entropy: Callable[[int], bytes],
    announce_api: Callable[[int], None] = lambda _port: None,
    announce_urgent: Callable[[int], None] = lambda _port: None,
    inherited: Inherited | None = None,
    pace: Callable[[], float] | None = None,
) -> AsyncIterator[int]:
    """Serve, repair and publish until the block ends; yields the port for phones.

    If the settings have an `api_port`, the control plane listens, too. `announce_api` receives its
    port, and `announce_urgent` the port of the urgent listener, if there is one. `entropy(n)`
    returns n random bytes. `inherited` comes from the caller that started this process. `pace`
    returns monotonic seconds, by default the event loop's; `clock` is compared with it to detect
    jumps.
    """
    inherited = inherited or Inherited((), {}, asyncio.Event())
    blobs = await asyncio.to_thread(open_blobs, folder, settings, clock)
    opening = (
        serving_phones(folder, settings, clock, blobs, inherited)
        if settings.node is Node.ALL
        else watching(folder, settings, blobs)
    )
    async with opening as phones:
        dialects = await serve_dialects(settings, clock, phones)
        # Phones are served before repairs and before these imports, the slowest of the start.
        await asyncio.to_thread(importlib.import_module, "server.full_node")
        from server.full_node import managing  # noqa: PLC0415

        async with managing(
            folder,
            settings,
            clock,
            phones,
            dialects,
            blobs,
            entropy=entropy,
            announce_api=announce_api,
            announce_urgent=announce_urgent,
            hangup=inherited.hangup,
            pace=pace,
        ):
            yield phones.port


@contextlib.asynccontextmanager
async def running_device(
    folder: StateFolder, settings: Settings, clock: Clock, inherited: Inherited
) -> AsyncIterator[int]:
    """Serve only phones until the block ends; yields the port.

    The local copy of the last process is served first; then the store is read.
    """
    from server.storage.s3_tree import open_s3_tree  # noqa: PLC0415 - few sites share a tree
    from server.tree_watch import TreeWatch  # noqa: PLC0415

    blobs = await asyncio.to_thread(open_blobs, folder, settings, clock)
    monotonic = asyncio.get_running_loop().time
    registry = CollectorRegistry()
    async with contextlib.AsyncExitStack() as stack:
        phones = await stack.enter_async_context(
            serving_phones(folder, settings, clock, blobs, inherited)
        )
        registry.register(CountsCollector(phones.counts))
        registry.register(LostCollector(phones.lost))
        if await serve_dialects(settings, clock, phones):
            registry.register(CountsCollector(phones.compat_counts, "hening_compat"))
        tree = open_s3_tree(folder)
        follower = TreeWatch(folder, tree, phones.watch, registry, monotonic, cleans=True)
        await follower.restore_good()

        def reasons() -> Sequence[str]:
            problems = [] if phones.serves() else ["no snapshot is loaded, or no worker serves it."]
            return [*follower.reasons(), *problems]

        if settings.metrics_port:
            stack.enter_context(serving_health(settings.metrics_port, registry, reasons))
        works: list[Callable[[], Coroutine[None, None, None]]] = [
            follower.run,
            phones.watch.run,
            lambda: renew_at(inherited.hangup, phones, settings),
        ]
        tasks = [asyncio.create_task(work()) for work in works]
        log.info("listening", host=settings.host, port=phones.port)
        try:
            yield phones.port
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
