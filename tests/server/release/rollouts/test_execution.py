"""When changes that were begun and not finished count as lost."""

import asyncio
import contextlib

from server.release.rollouts.commands import Halt
from server.release.rollouts.execution import HALT_SECONDS, ORPHAN_SECONDS, ChangeRunner
from tests.server.release.rollouts.harness import open_harness


class Execution:
    """Records changes instead of carrying them out, and blocks if `blocks`."""

    def __init__(self, *, blocks=False):
        self.given, self.begun, self._blocks = [], asyncio.Event(), blocks

    async def carry_out(self, identities, actor):
        """Record the change."""
        self.given.append((*identities, actor))
        self.begun.set()
        if self._blocks:
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def halting(harness, under_way):
    """Yield the id of a halt whose execution does not finish inside the block."""
    slow = Execution(blocks=True)
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


async def test_halt_under_way(world):
    """A halt under way in this process counts as lost after ORPHAN_SECONDS.

    One under way in another process does so after HALT_SECONDS: carrying it out twice does no harm.
    """
    under_way = set()
    async with open_harness(world) as harness, halting(harness, under_way) as identity:
        here, elsewhere = [
            ChangeRunner(harness.sessions, Execution(), harness.alarms.append, known)
            for known in (under_way, set())
        ]
        at = (await harness.rollouts.get(identity)).proposed_at
        for runner, seconds in ((elsewhere, HALT_SECONDS), (here, ORPHAN_SECONDS)):
            assert await runner.run_due(at + seconds - 1) == []
            assert await runner.run_due(at + seconds) == [identity]
    assert not under_way
