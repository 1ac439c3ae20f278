"""Fixtures: a server with superseded files, and the errors that `check` finds."""

import pytest

from server.publisher.maintenance.check import check_state
from server.storage.database import open_database
from server.storage.local_blobs import LocalBlobs


@pytest.fixture
def world(second):
    """Return a server with superseded files."""
    return second


@pytest.fixture
def find_errors():
    """Return a function that returns each finding's subject and sentence."""

    async def find(world):
        async with open_database(world.folder.database) as sessions:
            blobs = LocalBlobs(world.folder.blobs)
            found = await check_state(world.folder, sessions, blobs, world.now(), deep=True)
        return [(finding.subject, finding.error) for finding in found if finding.error]

    return find
