import pytest

from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import Repository


@pytest.fixture
def repository():
    """Make a repository with version 1 of each role and no pointer."""
    return Repository()


@pytest.fixture
def world(repository):
    """Make the world of a phone that has never polled."""
    return FakeWorld(repository)
