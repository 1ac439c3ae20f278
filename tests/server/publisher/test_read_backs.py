"""Step 7 blocks neither the publication's caller nor the next publication."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from server.publisher.errors import PublishError
from server.publisher.read_back import HttpReadBack
from server.publisher.rollout import plan_halt, plan_pause
from tests.patience import PATIENCE
from tests.server.world import CHANNEL

PATH = CHANNEL.pointer_path


def halt(published):
    """Return the pointers with the one channel halted."""
    return {PATH: plan_halt(CHANNEL, published.pointers()[PATH], {"en": "It drains."})}


def pause(world):
    """Return the edit that pauses the channel."""
    return lambda published: {
        PATH: plan_pause(CHANNEL, published.pointers()[PATH], {}, world.epoch())
    }


def is_halted(world):
    """Tell whether the public pointer is halted."""
    return world.published().pointers()[PATH].halted


class SlowAddress:
    """A read-back that ends when the test allows it, and records its begins and ends."""

    def __init__(self):
        self.begun, self.ended, self.go = [], [], asyncio.Event()

    async def __call__(self, publication):
        """Record a publication, and wait."""
        self.begun.append(publication.snapshot_version)
        await self.go.wait()
        self.ended.append(publication.snapshot_version)
        if publication.snapshot_version == 4:
            raise PublishError("4 is not there.")


async def test_a_halt_beside_a_read_back(world):
    """A halt is public, and its caller answered, before the previous publication is read back.

    The findings of read-backs are reported by the end of the block, for every publication.
    """
    address = SlowAddress()
    async with asyncio.timeout(PATIENCE), world.publisher(read_back=address) as publisher:
        assert await publisher.change_pointers(pause(world)) == 4
        assert await publisher.change_pointers(halt) == 5
        assert await asyncio.to_thread(is_halted, world)
        assert (address.ended, world.alarms) == ([], [])
        address.go.set()
    assert address.begun == address.ended == [4, 5]
    assert world.alarms == ["4 is not there."]


@contextlib.asynccontextmanager
async def silent_address():
    """Give an address that accepts connections and never answers, and an event for the second."""
    taken, two = [], asyncio.Event()

    async def keep(reader, writer):
        taken.append(writer)
        if len(taken) == 2:
            two.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", two
        for writer in taken:
            writer.close()


async def test_a_silent_address(world):
    """An edge that accepts and never answers delays neither an offer nor the halt after it."""
    async with silent_address() as (url, asked):
        read_back = HttpReadBack(url, world.folder.public)
        async with world.publisher(read_back=read_back) as publisher:
            await publisher.change_pointers(pause(world))
            await publisher.change_pointers(halt)
            assert await asyncio.to_thread(is_halted, world)
            assert world.alarms == []  # no request has timed out
            await asked.wait()
            await publisher.read_backs.stop()
    assert world.alarms == []


async def test_an_unexpected_failure(world):
    """It is an alarm like any other, and no task's error is lost."""

    async def fail(_publication):
        await asyncio.to_thread(Path("/dev/null/none").read_bytes)

    async with world.publisher(read_back=fail) as publisher:
        await publisher.change_pointers(pause(world))
    (alarm,) = world.alarms
    assert alarm.startswith(
        "snapshot 4 is public and could not be read back: NotADirectoryError(20,"
    )


async def test_a_block_that_fails(world):
    """A block that ends with an error does not wait for an address."""
    address = SlowAddress()

    async def act():
        async with world.publisher(read_back=address) as publisher:
            await publisher.change_pointers(pause(world))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await act()
    assert (address.ended, world.alarms) == ([], [])
