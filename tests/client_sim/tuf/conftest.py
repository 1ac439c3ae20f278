import pytest

from tests.client_sim.tuf.clients import Device, Reference
from tests.client_sim.tuf.simulator import Repository


@pytest.fixture
def repository():
    """Make a repository with version 1 of each top-level role."""
    return Repository()


@pytest.fixture(params=[Device, Reference], ids=["hening-device", "python-tuf"])
def make_client(request, tmp_path):
    """Return a function that makes a client which trusts a repository's first root."""

    def make(repository):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        made = request.param(folder, repository)
        assert made.init() == 0
        return made

    return make


@pytest.fixture
def client(make_client, repository):
    """Make a client that trusts the repository's first root."""
    return make_client(repository)


@pytest.fixture
def device(repository, tmp_path):
    """Make the phone's client alone, for behaviour that python-tuf does not have."""
    made = Device(tmp_path, repository)
    assert made.init() == 0
    return made
