"""How long things are kept: the settings, or the policy where it says fewer days."""

import os

import pytest

from server.cloud.settings import DAY, CloudSettings
from server.cloud.upkeep.retention import Retention, retention_of
from server.cloud.upkeep.rounds import run_round
from server.core.cloud_policy import Lifetimes
from tests.server.cloud.device import change, make_item, running
from tests.server.cloud.law.conftest import open_law
from tests.server.cloud.policies import DAYS, make_policy

SETTINGS = CloudSettings(
    region="id", revisions_days=20, tombstones_days=30, session_days=40, leftover_hours=1
)
POLICY = {**DAYS, "revisions": 2, "tombstones": 3, "session_idle": 4}


@pytest.mark.parametrize(
    ("days", "kept"),
    [(None, (20, 30, 40)), (POLICY, (2, 3, 4)), ({**DAYS, "revisions": 21}, (20, 30, 40))],
    ids=["no policy", "shorter policy", "longer policy"],
)
def test_the_shorter_period_is_kept(days, kept):
    """Of each number on its own."""
    revisions, tombstones, sessions = (number * DAY for number in kept)
    policy = None if days is None else Lifetimes(**days)
    assert retention_of(SETTINGS, policy) == Retention(sessions, revisions, tombstones, 60 * 60)


@pytest.mark.parametrize(
    ("name", "deleted"), [("revisions", False), ("tombstones", True)], ids=["changed", "deleted"]
)
async def test_a_round_takes_the_days_of_the_policy(place, tmp_path, name, deleted):
    """A replaced revision and a deleted item stay for the policy's days, not the settings'."""
    policy = make_policy(days=POLICY)
    async with running(place, tmp_path, policies=(policy,)) as cloud:
        device = await cloud.device(agrees=False)
        assert (await device.agree(policy))[0] == 201
        collection = (await device.create())["uid"]
        item = make_item(os.urandom(100))
        await device.batch(collection, item)
        await device.batch(collection, change(item, deleted=deleted, chunks=[]))
        async with open_law(place, tmp_path, cloud.clock) as law:
            cloud.clock.seconds += POLICY[name] * DAY
            assert (await run_round(law, SETTINGS))[name] == 0
            cloud.clock.seconds += 1
            assert (await run_round(law, SETTINGS))[name] == 1
