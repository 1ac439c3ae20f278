"""Fixtures that several packages' tests share."""

import functools
import os

import pytest

import signer.keys.key_file
from tests.postgres import postgres_server
from tests.program_runner import Programs
from tests.seaweed import run_seaweed
from tests.server.site import Site
from tests.server.world import World, make_world, publish_first
from tests.statements import share_statements


@pytest.fixture(scope="session", autouse=True)
def _passphrases_are_stretched_little():
    """Use a key stretching that takes 0.1 ms in place of 55; a key file records its own parameters.

    `tests/signer/keys/test_key_file.py` tests real parameters. `tests.forked` does the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signer.keys.key_file, "SCRYPT_N", 2**4)
        yield


@pytest.fixture(scope="session", autouse=True)
def _statements_are_compiled_once():
    """Share compiled SQLAlchemy statements between all engines of the test process."""
    with pytest.MonkeyPatch.context() as patch:
        share_statements(functools.partial(patch.setattr, raising=False))
        yield


@pytest.fixture(scope="session")
def fresh_state(tmp_path_factory):
    """Return a server that waits for its first bundle; tests copy it and do not change it."""
    return make_world(tmp_path_factory.mktemp("fresh") / "state")


@pytest.fixture(scope="session")
def published_state(fresh_state, tmp_path_factory):
    """Return the server after its first bundle and release; tests copy it and do not change it."""
    world = fresh_state.copy(tmp_path_factory.mktemp("published") / "state")
    publish_first(world)
    return world


@pytest.fixture
def fresh(fresh_state, tmp_path) -> World:
    """Return a private server that waits for its first bundle."""
    return fresh_state.copy(tmp_path / "state")


@pytest.fixture
def world(published_state, tmp_path) -> World:
    """Return a private server that offers release 1 of armani to everyone."""
    return published_state.copy(tmp_path / "state")


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """Yield a helper that starts programs without delay."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # its workers share what they build
        folder = folder.parent
    programs = Programs(folder / "packages")
    try:
        yield programs
    finally:
        programs.close()


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory):
    """Yield a real S3 server; each test uses its own prefix in the bucket."""
    with run_seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres():
    """Yield a real PostgreSQL server; tests that use it are marked needs("postgresql")."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def released_site(fresh_state, postgres, seaweed, tmp_path_factory):
    """Return a site whose machine `first` has published one release; tests copy it."""
    made = Site(fresh_state, postgres, seaweed, tmp_path_factory.mktemp("released"))
    made.first = made.machine("first")
    publish_first(made.first)
    return made
