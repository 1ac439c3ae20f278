"""Waiting for events, and for changes by other processes, which are polled."""

import asyncio
from collections.abc import Callable

POLL_SECONDS = 0.05


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Return whether `event` is set within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def holds_within(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` for up to `seconds`; return whether it is true."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    for _ in range(round(seconds / POLL_SECONDS)):
        if condition() or loop.time() > until:
            break
        await asyncio.sleep(POLL_SECONDS)
    return condition()
