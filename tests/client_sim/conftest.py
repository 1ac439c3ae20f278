import pytest

from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import Repository


@pytest.fixture
def repository():
    """Make a repository in which every role has version 1 and nothing is announced."""
    return Repository()


@pytest.fixture
def world(repository):
    """Make the world of a phone that has never polled."""
    return FakeWorld(repository)
