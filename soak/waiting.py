"""Waiting for what other processes do: they tell nobody, so one looks again and again."""

import asyncio
from collections.abc import Callable

POLL_SECONDS = 0.05


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Answer whether `event` is set before `seconds` are over."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def holds_within(condition: Callable[[], bool], seconds: float) -> bool:
    """Answer whether `condition` holds at some look before `seconds` are over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    for _ in range(round(seconds / POLL_SECONDS)):
        if condition() or loop.time() > until:
            break
        await asyncio.sleep(POLL_SECONDS)
    return condition()
