"""A desk for each test."""

import pytest

from server.storage.migration import migrate
from tests.server.release.uploads.desk import open_desk


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """Migrate a database once."""
    path = tmp_path_factory.mktemp("database") / "hening.sqlite"
    migrate(path)
    return path


@pytest.fixture
async def desk(tmp_path, empty_database):
    """Give uploads on an empty state folder."""
    async with open_desk(tmp_path / "state", empty_database) as opened:
        yield opened
