import pytest

from client_sim.device import internet
from tests.attacks.besieged import besiege, make_templates
from tests.attacks.hostile_server import hostile_server


@pytest.fixture(scope="module")
def hostile():
    """Run a hostile server for a module."""
    with hostile_server() as server:
        yield server


@pytest.fixture(scope="module")
def templates(hostile, tmp_path_factory):
    """Make phones to copy, which poll the hostile server."""
    return make_templates(tmp_path_factory.mktemp("phones"), hostile.port)


@pytest.fixture
def _no_patience(monkeypatch):
    """Let a server that says nothing count as gone after an instant."""
    monkeypatch.setattr(internet, "PATIENCE", 0.3)


@pytest.fixture
def besieged(_no_patience, hostile, templates, tmp_path):
    """Give a phone that runs build 0 and is offered build 1."""
    return besiege(templates, tmp_path / "phone", hostile)


@pytest.fixture
def settled(_no_patience, hostile, templates, tmp_path):
    """Give a phone that runs build 1 and is offered build 2."""
    return besiege(templates, tmp_path / "phone", hostile, 1)
