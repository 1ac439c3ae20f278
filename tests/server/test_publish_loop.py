"""The loop that publishes: no bundle holds up what a clock or a person waits for."""

import asyncio
from types import SimpleNamespace

from server.instruments import Instruments
from server.publish_loop import publish_for_ever


async def test_what_goes_on_beside_a_bundle(tmp_path):
    """While the packages of a bundle are stored, signing and commands have their turns."""
    begun, calls, enough = asyncio.Event(), [], asyncio.Event()

    def turn(name, result):
        async def work():
            await begun.wait()
            calls.append(name)
            if len(calls) == 8:
                enough.set()
            return result

        return work

    async def nothing():
        await asyncio.sleep(0)

    async def take_long():
        begun.set()
        await asyncio.Event().wait()

    async def drain():
        await asyncio.sleep(0)
        return 0

    async def interrupted():
        await asyncio.sleep(0)
        return False

    publisher = SimpleNamespace(
        repair=nothing,
        complete=turn("complete", None),
        refresh=turn("refresh", ""),
        process_incoming=take_long,
        drain=drain,
    )
    rollouts = SimpleNamespace(run_due=turn("due", []), is_interrupted=interrupted)
    clock = asyncio.get_running_loop().time
    tools = Instruments(clock, clock, lambda _step: None)
    renewed = asyncio.Event()
    task = asyncio.create_task(
        publish_for_ever(publisher, rollouts, tmp_path, tools, asyncio.Event(), renewed)
    )
    await enough.wait()
    assert renewed.is_set()
    assert calls[:6] == ["complete", "refresh", "due"] * 2
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
