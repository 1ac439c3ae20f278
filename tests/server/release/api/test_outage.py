"""Commands over the API during a database outage, and their repetition."""

import asyncio
import functools

import pytest

from server.storage.layout import StateFolder
from tests.server.log_invariant import check_log
from tests.server.release.api_world import api_world
from tests.server.release.auth.issue import audit_log
from tests.server.world import CHANNEL, publish_first

pytestmark = [pytest.mark.needs("postgresql"), pytest.mark.asyncio]
HALT = f"/channels/{CHANNEL}/halt"
ONCE = {"Idempotency-Key": "once"}


@pytest.fixture(scope="module")
def offered(fresh_state, postgres, tmp_path_factory):
    """Return a server on PostgreSQL that offers release 1. Tests must copy it, not change it."""
    world = fresh_state.copy(tmp_path_factory.mktemp("offered") / "state")
    world = world.on(StateFolder(world.folder.root, postgres.make_database()))
    publish_first(world)
    return world


@pytest.fixture
def world(offered, postgres, tmp_path):
    """Return a test's own copy of such a server."""
    copied = offered.copy(tmp_path / "state")
    address = postgres.copy_database(offered.folder.database_url)
    return copied.on(StateFolder(copied.folder.root, address))


@pytest.mark.parametrize("step", [0, 3, 6])
async def test_database_outage_during_a_halt(world, postgres, step):
    """If the database fails at any step of a halt, the answer is 503 and a repetition halts."""
    before = await asyncio.to_thread(world.published)
    ended = []

    def end(done):
        if done == step and not ended:
            ended.append(step)
            # Nothing else may run meanwhile, so the test waits with a blocking call.
            loop = asyncio._get_running_loop()
            asyncio._set_running_loop(None)
            try:
                postgres.stop()
            finally:
                asyncio._set_running_loop(loop)

    world.publisher = functools.partial(world.publisher, after_step=end)
    async with api_world(world) as api:
        if step == 0:
            await asyncio.to_thread(end, 0)
        try:
            answer = await api.call("POST", HALT, body={}, headers=ONCE)
            assert (answer.status, answer.problem) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        finally:
            await asyncio.to_thread(postgres.start)
        assert ended == [step]
        for _ in range(2):
            answer = await api.call("POST", HALT, body={}, headers=ONCE)
            assert (answer.status, answer.json["channel"]["state"]) == (200, "halted")
            assert answer.json["change"]["state"] == "done"
        actions = [entry.action for entry in await audit_log(api.services.sessions)]
        commands = [action for action in actions if action.startswith("rollout.")]
        assert commands == ["rollout.halt", "rollout.halt.done"]
    after = await asyncio.to_thread(world.published)
    assert after.pointers()[CHANNEL.pointer_path].halted
    assert after.roles["latest"].version == before.roles["latest"].version + 1
    await asyncio.to_thread(check_log, world.folder, world.keys.log_verifier.public)
