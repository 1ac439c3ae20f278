"""A node that serves phones, from a copy of the shared tree and a pinned root alone.

It has neither database nor keys. Any number of them answer one name; one that has lost the store
serves on, and its readiness says so.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

import structlog
from prometheus_client import CollectorRegistry

from server.device_serving import Inherited, renew_at, serve_dialects, serving_phones
from server.health import serving_health
from server.http.counts import CountsCollector
from server.processes.supervisor import LostCollector
from server.settings import Settings
from server.storage.layout import StateFolder
from server.storage.s3_tree import open_s3_tree
from server.stores import Clock, open_blobs
from server.tree_watch import TreeWatch

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def running_device(
    folder: StateFolder, settings: Settings, clock: Clock, inherited: Inherited
) -> AsyncIterator[int]:
    """Serve phones until the block ends; yields the port.

    What the last process had is served at once, before the store is asked.
    """
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
            lacking = [] if phones.serves() else ["no snapshot is loaded, or no worker serves it."]
            return [*follower.reasons(), *lacking]

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
