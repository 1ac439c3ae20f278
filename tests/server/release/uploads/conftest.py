"""Fixtures: an upload harness for each test."""

import pytest

from server.storage.objects import Objects
from tests.server.release.uploads.harness import open_harness


@pytest.fixture
async def local(tmp_path, migrated):
    """Yield uploads on an empty state folder."""
    async with open_harness(tmp_path / "state", migrated) as opened:
        yield opened


@pytest.fixture
def objects(seaweed, tmp_path):
    """Return an empty prefix of a real S3 server."""
    return Objects(seaweed.place(tmp_path.name))


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.needs("seaweed"))])
async def harness(request, tmp_path, migrated):
    """Yield uploads whose data is in the state folder, and uploads whose data is in S3."""
    objects = None if request.param == "local" else request.getfixturevalue("objects")
    async with open_harness(tmp_path / "state", migrated, objects) as opened:
        yield opened
