"""Fixtures of the control plane's API."""

import pytest

from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_2, World


@pytest.fixture(scope="session")
def two_state(published_state, tmp_path_factory):
    """Return a server with two releases. Tests must copy it, not change it."""
    world = published_state.copy(tmp_path_factory.mktemp("two") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    return world


@pytest.fixture
def two(two_state, tmp_path) -> World:
    """Return a test's own server, which offers the first of two releases to all devices."""
    return two_state.copy(tmp_path / "state")


@pytest.fixture
async def api(world):
    """Yield the API with all operations on a published state."""
    async with api_world(world) as served:
        yield served
