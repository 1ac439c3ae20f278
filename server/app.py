"""One process over one state folder: it serves phones first, then does the rest of `full_node`.

What serves phones alone is `device_node`.
"""

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from server.device_serving import Inherited, Phones, serve_dialects, serving_phones, watching
from server.settings import Node, Settings
from server.storage.blobs import BlobStore
from server.storage.layout import StateFolder
from server.stores import Clock, open_blobs


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

    Where the settings have an `api_port` the control plane listens, too. `announce_api` receives
    its port, and `announce_urgent` that of the urgent listener, if any. `entropy(n)` returns n
    random bytes; `inherited` comes from the caller that started this process. `pace` counts the
    seconds, by default the machine's; `clock` is compared with it to find jumps.
    """
    inherited = inherited or Inherited((), {}, asyncio.Event())
    blobs = await asyncio.to_thread(open_blobs, folder, settings, clock)
    async with _open_phones(folder, settings, clock, blobs, inherited) as phones:
        dialects = await serve_dialects(settings, clock, phones)
        # Phones wait neither for a repair nor for imports that take longer than all before them.
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


def _open_phones(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    blobs: BlobStore,
    inherited: Inherited,
) -> AbstractAsyncContextManager[Phones]:
    """Serve phones, or only verify what is public on a node that is not for them."""
    if settings.node is Node.ALL:
        return serving_phones(folder, settings, clock, blobs, inherited)
    return watching(folder, settings, blobs)
