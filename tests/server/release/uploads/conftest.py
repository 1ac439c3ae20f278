"""A harness for each test."""

import pytest

from server.storage.migration import migrate
from tests.server.release.uploads.harness import open_harness


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """Migrate a database once."""
    path = tmp_path_factory.mktemp("database") / "hening.sqlite"
    migrate(path)
    return path


@pytest.fixture
async def harness(tmp_path, empty_database):
    """Give uploads on an empty state folder."""
    async with open_harness(tmp_path / "state", empty_database) as opened:
        yield opened
