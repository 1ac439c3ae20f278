"""Rollout commands on PostgreSQL, by two operators and with a crash."""

import asyncio
from datetime import timedelta

import pytest

from server.core.errors import HeningError
from server.release.rollouts.changes import State
from server.release.rollouts.commands import Halt, Offer, Pause, Schedule
from server.release.rollouts.execution import ORPHAN_SECONDS
from server.release.rollouts.plan import Plan, Stage
from server.storage.layout import StateFolder
from tests.server.release.auth.issue import principal
from tests.server.release.rollouts.harness import APPROVER, DAY, CrashError, crash_at, open_harness
from tests.server.world import PACKAGE_1, PACKAGE_2

PLAN = Plan([Stage(10, DAY), Stage(1000)])
FASTER = Plan([Stage(20, DAY), Stage(1000)])


@pytest.fixture
def world(fresh, postgres):
    """Return a server on PostgreSQL with two releases and no offer."""
    world = fresh.on(StateFolder(fresh.folder.root, postgres.make_database()))
    first = world.ceremony.first()
    first["root", 1] = world.folder.trusted_root.read_bytes()
    assert world.publish(first).reason == ""
    assert world.publish(world.first_release(), [PACKAGE_1]).reason == ""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    return world


@pytest.mark.needs("postgresql")
async def test_competing_commands_and_a_crash(world):
    """Of two competing commands only one succeeds, and every change ends exactly once.

    The test has an approval, a shared tag, a scheduled offer, a crash and a halt.
    """
    async with open_harness(world, ["*/*/stable"]) as harness, open_harness(world) as other:
        waiting = await harness.request(Offer(1, PLAN))
        assert waiting.state == State.WAITING
        answers = await asyncio.gather(
            harness.rollouts.approve(APPROVER, waiting.id),
            other.rollouts.approve(principal("ida", APPROVER.role), waiting.id),
            return_exceptions=True,
        )
        assert sorted(isinstance(answer, HeningError) for answer in answers) == [False, True]
        assert (await harness.pointer()).steps[-1].counter == 1
        tag = await other.tag()
        answers = await asyncio.gather(
            other.request(Schedule(FASTER), if_match=tag),
            other.request(Pause(), principal("ida"), if_match=tag),
            return_exceptions=True,
        )
        assert sorted(isinstance(answer, HeningError) for answer in answers) == [False, True]
        later = await other.request(Offer(2, PLAN), due_at=world.epoch() + 60)
    world.ahead = timedelta(seconds=61)
    async with open_harness(world, after_step=crash_at(6)) as harness:
        with pytest.raises(CrashError):
            await harness.rollouts.run_due()
    world.ahead = timedelta(seconds=61 + ORPHAN_SECONDS)
    async with open_harness(world) as harness, open_harness(world) as other:
        await asyncio.gather(harness.rollouts.run_due(), other.rollouts.run_due())
        assert (await harness.rollouts.get(later.id)).state == State.DONE
        assert (await harness.pointer()).steps[-1].counter == 2
        assert (await harness.request(Halt())).state == State.DONE
        assert (await harness.pointer()).halted
        actions = [action for _, action in await harness.audit_log()]
        assert actions.count("rollout.offer.done") == 2
        assert actions[-2:] == ["rollout.halt", "rollout.halt.done"]
        found = await harness.rollouts.find()
        assert {change.state for change in found} <= {State.DONE, State.REFUSED}
        assert await harness.rollouts.find(before=found[1].id) == found[2:]
