import pytest

from tests.client_sim.tuf.clients import Device, Reference
from tests.client_sim.tuf.simulator import Repository


@pytest.fixture
def repository():
    """Make a repository with version 1 of each top-level role."""
    return Repository()


@pytest.fixture(params=[Device, Reference], ids=["hening-device", "python-tuf"])
def client(request, repository, tmp_path):
    """Make a client that trusts the repository's first root."""
    made = request.param(tmp_path, repository)
    assert made.init() == 0
    return made


@pytest.fixture
def device(repository, tmp_path):
    """Make the phone's client alone, for what the other one does not promise."""
    made = Device(tmp_path, repository)
    assert made.init() == 0
    return made
