"""Turns by account of what stops things."""

import asyncio

import pytest

from server.release.api.account_turns import AT_ONCE, AccountTurns


class Queue:
    """Requests that wait for a turn, and those that have one."""

    def __init__(self):
        self.turns = AccountTurns()
        self.running = []
        self.end = asyncio.Event()

    async def ask(self, name):
        """Take a turn until the end."""
        async with self.turns.taken(name):
            self.running.append(name)
            await self.end.wait()


async def test_an_account_holds_up_no_other():
    """Of many requests by one account a few have a turn; another account's has its own."""
    queue = Queue()
    tasks = [asyncio.create_task(queue.ask(name)) for name in [*["script"] * 20, "person"]]
    await asyncio.sleep(0)
    assert queue.running == ["script"] * AT_ONCE + ["person"]
    queue.end.set()
    await asyncio.gather(*tasks)
    assert queue.running.count("script") == 20


async def test_a_cancelled_request_gives_its_turn_back():
    """Whether it had the turn or waited for it; nothing is kept of who asks for nothing."""
    queue = Queue()
    tasks = [asyncio.create_task(queue.ask("script")) for _ in range(AT_ONCE + 2)]
    await asyncio.sleep(0)
    for task in (tasks[0], tasks[-1]):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    queue.end.set()
    await asyncio.gather(*tasks[1:-1])
    assert len(queue.running) == AT_ONCE + 1
    assert not queue.turns._accounts
