"""Ordinary requests wait during a halt, for at most half of the time."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.release.api.urgent_priority import (
    AT_ONCE,
    SHORTEST,
    AccountTurns,
    PauseBudget,
    UrgentPriority,
)

AGES = 1e6  # seconds; longer than any test


def seconds(most):
    """Draw times in whole milliseconds, as seconds."""
    return st.integers(0, int(most * 1000)).map(lambda number: number / 1000)


@given(st.lists(st.tuples(seconds(3), st.booleans()), max_size=50))
def test_requests_wait_for_at_most_half_of_the_time(steps):
    """In any period, waiting exceeds running by at most a second."""
    budget, now, least, surplus = PauseBudget(1.0, 1.0, 0.0), 0.0, 0.0, 0.0
    for duration, is_wanted in steps:
        end = now + duration
        while now < end:
            is_closed = budget.update(now, is_wanted=is_wanted)
            step = min(end - now, budget.remaining) if is_closed else end - now
            now += step
            surplus += step if is_closed else -step
            least = min(least, surplus)
            assert surplus - least <= 1.0 + 1e-6
        budget.update(now, is_wanted=is_wanted)


def test_requests_wait_again_after_shortest():
    """After its second, an endless halt lets others run for SHORTEST, then pauses them again."""
    budget = PauseBudget(1.0, 1.0, 0.0)
    assert budget.update(0.0, is_wanted=True)
    assert not budget.update(1.0, is_wanted=True)
    assert not budget.update(1.0 + 0.9 * SHORTEST, is_wanted=True)
    assert budget.update(1.0 + SHORTEST, is_wanted=True)


async def settle():
    """Let all ready tasks run."""
    for _ in range(10):
        await asyncio.sleep(0)


def enter(priority, order, name):
    """Return a task that enters and then records its name."""

    async def entered():
        await priority.enter()
        order.append(name)

    return asyncio.create_task(entered())


async def test_requests_wait_until_a_halt_is_done():
    """Waiting requests begin after the halt, in order of arrival."""
    priority, order = UrgentPriority(longest=AGES), []
    await priority.enter()
    with priority.stopping():
        with priority.stopping():
            tasks = [enter(priority, order, name) for name in "abc"]
            await settle()
        await settle()
        assert not order
        tasks[1].cancel()
        await settle()
    tasks.append(enter(priority, order, "d"))
    await asyncio.wait(tasks)
    assert order == ["a", "c", "d"]


async def test_each_turn_of_the_loop_admits_one_request():
    """Each turn of the loop admits one waiting request.

    Otherwise all of them would be under way when the next halt arrives.
    """
    priority, order = UrgentPriority(longest=AGES), []
    with priority.stopping():
        tasks = [enter(priority, order, number) for number in range(20)]
        await settle()
    for _ in range(10):
        await asyncio.sleep(0)
    assert 0 < len(order) <= 10
    await asyncio.wait(tasks)


async def test_endless_halts_do_not_block_requests():
    """Endless halts do not block ordinary requests for ever."""
    priority, order = UrgentPriority(longest=2 * SHORTEST), []
    with priority.stopping():
        tasks = [enter(priority, order, number) for number in range(20)]
        await settle()
        assert not order
        await asyncio.wait(tasks)
    assert order == list(range(20))


@pytest.mark.parametrize("waits_before", [True, False])
async def test_halt_in_another_thread(waits_before):
    """Requests in one loop begin when a halt in another thread ends."""
    priority, order = UrgentPriority(longest=AGES), []
    begun, go_on = threading.Event(), threading.Event()

    def stop():
        with priority.stopping():
            begun.set()
            go_on.wait()

    stopping = asyncio.create_task(asyncio.to_thread(stop))
    await asyncio.to_thread(begun.wait)
    if waits_before:
        enter(priority, order, "a")
        await settle()
        assert not order
    go_on.set()
    await stopping
    await enter(priority, order, "b")
    assert order[-1] == "b"


class Queue:
    """Requests that take an account's turn and keep it until `end`."""

    def __init__(self):
        self.turns = AccountTurns()
        self.running = []
        self.end = asyncio.Event()

    async def ask(self, name):
        """Take a turn, and keep it until the end."""
        async with self.turns.taken(name):
            self.running.append(name)
            await self.end.wait()


async def test_each_account_has_its_own_turns():
    """One account has a limited number of turns; another account has its own."""
    queue = Queue()
    tasks = [asyncio.create_task(queue.ask(name)) for name in [*["script"] * 20, "person"]]
    await asyncio.sleep(0)
    assert queue.running == ["script"] * AT_ONCE + ["person"]
    queue.end.set()
    await asyncio.gather(*tasks)
    assert queue.running.count("script") == 20


async def test_cancelled_request_releases_its_turn():
    """A cancelled request releases its turn, or its place in the queue.

    An account without requests has no entry.
    """
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
