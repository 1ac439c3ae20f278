"""A cloud's legal deadlines, with a clock that the test sets."""

import os
from contextlib import asynccontextmanager

import pytest

from server.cloud.law.policies import Policies
from server.cloud.law.rounds import Law
from server.cloud.settings import CloudSettings
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.bodies import LocalBodies
from server.cloud.upkeep.rounds import OF_LAW, run_round
from server.storage.database import open_database
from tests.server.cloud.device import SECRETS
from tests.server.cloud.policies import KEY


@asynccontextmanager
async def open_law(place, folder, clock, bodies=None):
    """Yield the law of another node of the cloud."""
    bodies = bodies or LocalBodies(folder / "bodies", os.urandom)
    async with open_database(place, migrations=MIGRATIONS) as database:
        policies = Policies(database, str(KEY))
        yield Law(database, bodies, SECRETS, policies, clock, os.urandom)


async def go_round(law):
    """Do what the law requires now, as a maintenance round does."""
    done = await run_round(law, CloudSettings(region="id"), OF_LAW)
    assert done is not None
    return done


@pytest.fixture
async def law(cloud, place, tmp_path):
    """Yield the law of another node of the running cloud."""
    async with open_law(place, tmp_path, cloud.clock) as opened:
        yield opened
