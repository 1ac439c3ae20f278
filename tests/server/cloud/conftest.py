"""A cloud on either database."""

import pytest

from tests.server.cloud.device import running


@pytest.fixture
async def cloud(place, tmp_path):
    """Give a cloud with open sign-up."""
    async with running(place, tmp_path) as running_cloud:
        yield running_cloud
