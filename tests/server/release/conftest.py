"""Fixtures of the control plane's API."""

import pytest

from tests.server.release.api_world import api_world


@pytest.fixture
async def api(world):
    """Yield the API with all operations on a published state."""
    async with api_world(world) as served:
        yield served
