"""Detection of blocking calls in an event loop, and a database of either kind."""

import shutil

import pytest
from blockbuster import blockbuster_ctx

from server.storage.database import migrate
from server.storage.layout import PostgresAddress
from tests.crash.forks import forking
from tests.server.world import PACKAGE_2


@pytest.fixture(autouse=True)
def no_blocking_calls():
    """Raise BlockingError if code of `server` blocks a running loop."""
    with blockbuster_ctx(scanned_modules="server") as blockbuster:
        # The database library makes a path absolute, which reads no disk.
        blockbuster.functions["os.path.abspath"].deactivate()
        for function in blockbuster.functions.values():
            # The driver looks for the user's keys and passwords as every client of PostgreSQL does;
            # migrations run in a loop of their own, which serves no requests.
            function.can_block_in("storage/engine.py", "_ask")
            function.can_block_in("storage/database.py", "_upgrade")
            function.can_block_in("storage/test_both_databases.py", "undo")
            function.can_block_in("storage/test_both_databases.py", "make")
        # On a non-blocking socket it waits for the disk alone.
        blockbuster.functions["os.sendfile"].can_block_in("http/sending.py", "_send_piece")
        yield blockbuster


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """Make the tables of a database once; do not change it, copy it."""
    path = tmp_path_factory.mktemp("database") / "hening.sqlite"
    migrate(path)
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres):
    """Make the same on PostgreSQL, and return its address."""
    address = postgres.make_database()
    migrate(PostgresAddress(address))
    return address


@pytest.fixture
def make_place(request, tmp_path):
    """Give a function that returns the place of a private database with its tables, by kind."""

    def make(kind):
        if kind == "sqlite":
            return shutil.copy(request.getfixturevalue("migrated"), tmp_path / "hening.sqlite")
        copied = request.getfixturevalue("migrated_postgres")
        return PostgresAddress(request.getfixturevalue("postgres").copy_database(copied))

    return make


KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]


@pytest.fixture(params=KINDS)
def place(request, make_place):
    """Give the place of a database with its tables, on SQLite and on PostgreSQL."""
    return make_place(request.param)


@pytest.fixture(scope="session")
def stranger():
    """Give a function that sends a job to `tests.server.stranger`."""
    with forking("tests.server.stranger") as ask:
        yield ask


@pytest.fixture(scope="session")
def second_state(published_state, tmp_path_factory):
    """Give a server with a second build, which is not offered; do not change it, copy it."""
    world = published_state.copy(tmp_path_factory.mktemp("second") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    return world


@pytest.fixture
def second(second_state, tmp_path):
    """Give a private server with a second build, which is not offered."""
    return second_state.copy(tmp_path / "state")
