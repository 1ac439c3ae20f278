"""The control plane's API."""

import pytest

from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_2, World


@pytest.fixture(scope="session")
def two_state(published_state, tmp_path_factory):
    """Give a server with two releases; do not change it, copy it."""
    world = published_state.copy(tmp_path_factory.mktemp("two") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    return world


@pytest.fixture
def two(two_state, tmp_path) -> World:
    """Give a private server with two releases, of which the first is offered to everyone."""
    return two_state.copy(tmp_path / "state")


@pytest.fixture
async def api(world):
    """Give the API with all operations on a published state."""
    async with api_world(world) as served:
        yield served
