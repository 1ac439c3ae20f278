import shutil

import pytest

from client_sim.device import internet
from tests.attacks.attacked_phone import make_attacked, make_templates
from tests.attacks.custody import Custody
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
    """Shorten the phone's timeout for a silent server, until `AttackedPhone.heal`."""
    monkeypatch.setattr(internet, "TIMEOUT", 2.0)


@pytest.fixture
def attacked(_no_patience, hostile, templates, tmp_path):
    """Return a phone that runs build 0 and is offered build 1."""
    return make_attacked(templates, tmp_path / "phone", hostile)


@pytest.fixture
def updated(_no_patience, hostile, templates, tmp_path):
    """Return a phone that runs build 1 and is offered build 2."""
    return make_attacked(templates, tmp_path / "phone", hostile, 1)


@pytest.fixture(scope="session")
def released_custody(programs, tmp_path_factory):
    """Hold a ceremony and release two builds; tests copy the result and do not change it."""
    custody = Custody(tmp_path_factory.mktemp("custody") / "released", programs)
    try:
        custody.hold_ceremony()
        custody.start_server("--gate", "strict")
        custody.make_releases()
        custody.stop_server()
        yield custody
    finally:
        custody.stop_server()


@pytest.fixture
def custody(released_custody, tmp_path):
    """Yield a copy of the repository with a running server: build 1 is offered, 2 is signed."""
    mine = Custody(tmp_path / "custody", released_custody.programs)
    shutil.copytree(released_custody.folder, mine.folder)
    try:
        mine.start_server("--gate", "strict")
        yield mine
    finally:
        mine.stop_server()
