"""Nothing is published that the trail does not tell: rows are written by hand, and the desk opened.

What a row is altered to is in `tests/server/release/checks`.
"""

import asyncio
from datetime import timedelta

import pytest

from server.release.errors import ConflictError
from server.release.rollouts.changes import State
from server.release.rollouts.orders import Halt, Offer
from server.release.rollouts.plan import Plan, Stage
from tests.server.publisher.checks.damage import plant, run
from tests.server.release.rollouts.desk import APPROVER, open_desk
from tests.server.world import PACKAGE_2

FORGED = "UPDATE changes SET state = 'approved', approved_by = 'ari', approved_at = due_at"
ALTERED = "UPDATE changes SET arguments = replace(arguments, '10}', '1000}')"


@pytest.fixture
def offering(world):
    """Give a server with a second release that is not offered yet."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    return world


async def test_a_forged_approval_publishes_nothing(offering):
    """An order that only its row calls approved is refused when it is due, with an alarm."""
    async with open_desk(offering, ("*/*/stable",)) as desk:
        offer = await desk.order(Offer(2, Plan(stages=[Stage(10)])))
        before = await desk.versions()
        await asyncio.to_thread(run(FORGED), offering.folder.root)
        offering.ahead += timedelta(minutes=1)
        (settled,) = await desk.rollouts.run_due()
        assert settled.id == offer.id
        assert settled.state == State.REFUSED
        assert "another approval and state" in settled.reason
        assert await desk.versions() == before
        assert len(desk.alarms) == 1


async def test_an_altered_order_publishes_nothing(offering):
    """Whoever approves an order whose row was altered since is told, and it is refused."""
    async with open_desk(offering, ("*/*/stable",)) as desk:
        offer = await desk.order(Offer(2, Plan(stages=[Stage(10)])))
        before = await desk.versions()
        await asyncio.to_thread(run(ALTERED), offering.folder.root)
        settled = await desk.rollouts.approve(APPROVER, offer.id)
        assert (settled.state, "another order" in settled.reason) == (State.REFUSED, True)
        assert await desk.versions() == before
        # What people order themselves goes on.
        assert (await desk.order(Halt())).state == State.DONE


async def test_a_planted_order_publishes_nothing(offering):
    """A row without an entry in the trail is refused."""
    async with open_desk(offering) as desk:
        done = await desk.order(Offer(2, Plan(stages=[Stage(10)])))
        before = await desk.versions()
        planted = plant("changes", "id = 'feed', state = 'approved', outcome = ''")
        await asyncio.to_thread(planted, offering.folder.root)
        with pytest.raises(ConflictError, match="no entry in it"):
            await desk.rollouts._carrying._execution.carry_out(["feed"], "server")
        assert (await desk.rollouts.get("feed")).state == State.REFUSED
        assert await desk.versions() == before
        assert (await desk.rollouts.get(done.id)).state == State.DONE
