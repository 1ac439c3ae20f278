"""Fixtures: detection of blocking calls, and databases of both kinds."""

import shutil
import sys

import pytest
from blockbuster import blockbuster_ctx

from server.storage.database import migrate
from server.storage.layout import PostgresAddress
from tests.crash.forks import forking
from tests.fault_proxy import run_fault_proxy
from tests.server.world import PACKAGE_2


@pytest.fixture(autouse=True)
def no_blocking_calls():
    """Raise BlockingError if code of `server` blocks a running event loop."""
    with blockbuster_ctx(scanned_modules="server") as blockbuster:
        # `abspath` reads no disk. The database library calls it.
        blockbuster.functions["os.path.abspath"].deactivate()
        for function in blockbuster.functions.values():
            # The PostgreSQL driver looks for the user's keys and passwords, as every client does.
            # Migrations run in a separate loop that serves no requests.
            function.can_block_in("storage/engine.py", "_ask")
            function.can_block_in("storage/database.py", "_upgrade")
            function.can_block_in("storage/test_both_databases.py", "undo")
            function.can_block_in("storage/test_both_databases.py", "make")
        # On a non-blocking socket, `sendfile` waits for the disk only.
        blockbuster.functions["os.sendfile"].can_block_in("http/sending.py", "_send_piece")
        yield blockbuster


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """Return an SQLite database with all tables. Tests must copy it, not change it."""
    path = tmp_path_factory.mktemp("database") / "hening.sqlite"
    migrate(path)
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres):
    """Return the address of a PostgreSQL database with all tables, to be copied."""
    address = postgres.make_database()
    migrate(PostgresAddress(address))
    return address


@pytest.fixture
def make_place(request, tmp_path):
    """Return a function that copies a database with all tables and returns its place."""

    def make(kind):
        if kind == "sqlite":
            return shutil.copy(request.getfixturevalue("migrated"), tmp_path / "hening.sqlite")
        copied = request.getfixturevalue("migrated_postgres")
        return PostgresAddress(request.getfixturevalue("postgres").copy_database(copied))

    return make


KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]


@pytest.fixture(params=KINDS)
def place(request, make_place):
    """Return the place of a database with all tables, once on SQLite and once on PostgreSQL."""
    return make_place(request.param)


@pytest.fixture
def proxy(seaweed):
    """Yield a proxy in front of the S3 server."""
    with run_fault_proxy(seaweed.port) as running:
        yield running


@pytest.fixture(scope="session")
def stranger():
    """Yield a function that sends a job to `tests.server.stranger`, a new process."""
    with forking([sys.executable], "tests.server.stranger") as ask:
        yield ask


@pytest.fixture(scope="session")
def second_state(published_state, tmp_path_factory):
    """Return a server with a second build that is not offered. Tests must copy it."""
    world = published_state.copy(tmp_path_factory.mktemp("second") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    return world


@pytest.fixture
def second(second_state, tmp_path):
    """Return a test's own copy of the server with a second build."""
    return second_state.copy(tmp_path / "state")
