"""A server with superseded files, and the findings of `check`."""

import pytest

from server.publisher.maintenance.check import check_state
from server.storage.database import open_database
from server.storage.local_blobs import LocalBlobs
from tests.server.world import PACKAGE_2


@pytest.fixture(scope="module")
def second_state(published_state, tmp_path_factory):
    """Give a server with a second release, so that there are superseded files."""
    world = published_state.copy(tmp_path_factory.mktemp("second") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    return world


@pytest.fixture
def world(second_state, tmp_path):
    """Give a private copy of the server."""
    return second_state.copy(tmp_path / "state")


@pytest.fixture
def wrong():
    """Give a function that returns subject and sentence of every finding about a world."""

    async def look(world):
        async with open_database(world.folder.database) as sessions:
            blobs = LocalBlobs(world.folder.blobs)
            found = await check_state(world.folder, sessions, blobs, world.now(), deep=True)
        return [(finding.subject, finding.error) for finding in found if finding.error]

    return look
