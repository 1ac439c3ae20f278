"""Changes that were begun and not finished: when they count as lost."""

import asyncio
import contextlib

from server.release.rollouts.commands import Halt
from server.release.rollouts.execution import HALT_SECONDS, ORPHAN_SECONDS, ChangeRunner
from tests.server.release.rollouts.harness import open_harness


class Execution:
    """Records changes instead of carrying them out, and blocks if `lasts`."""

    def __init__(self, *, lasts=False):
        self.given, self.begun, self._lasts = [], asyncio.Event(), lasts

    async def carry_out(self, identities, actor):
        """Record the change."""
        self.given.append((*identities, actor))
        self.begun.set()
        if self._lasts:
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def halting(harness, under_way):
    """Yield the id of a halt whose execution does not finish inside the block."""
    slow = Execution(lasts=True)
    harness.rollouts._change_runner = ChangeRunner(
        harness.sessions, slow, harness.alarms.append, under_way
    )
    task = asyncio.create_task(harness.request(Halt()))
    await slow.begun.wait()
    try:
        yield slow.given[0][0]
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_halt_that_another_loop_is_at_is_left_to_it(world):
    """A halt under way in this process counts as lost only after ORPHAN_SECONDS."""
    under_way = set()
    async with open_harness(world) as harness, halting(harness, under_way) as identity:
        execution = Execution()
        runner = ChangeRunner(harness.sessions, execution, harness.alarms.append, under_way)
        at = world.epoch()
        assert await runner.run_due(at + ORPHAN_SECONDS - 1) == []
        assert await runner.run_due(at + ORPHAN_SECONDS) == [identity]
    assert not under_way


async def test_a_halt_that_no_loop_of_the_process_is_at_is_lost(world):
    """A halt under way in another process counts as lost after HALT_SECONDS.

    Carrying it out twice does no harm.
    """
    async with open_harness(world) as harness, halting(harness, set()) as identity:
        runner = ChangeRunner(harness.sessions, Execution(), harness.alarms.append, set())
        assert await runner.run_due(world.epoch() + HALT_SECONDS) == [identity]
