"""Detection of blocking calls in an event loop, and a database of either kind."""

import pytest
from blockbuster import blockbuster_ctx

from server.storage.place import PostgresAddress
from tests.crash.forks import forking


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
            function.can_block_in("storage/migration.py", "_upgrade")
            function.can_block_in("storage/test_both_databases.py", "undo")
            function.can_block_in("storage/test_both_databases.py", "make")
        # On a non-blocking socket it waits for the disk alone.
        blockbuster.functions["os.sendfile"].can_block_in("http/file_sending.py", "_send_piece")
        yield blockbuster


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
)
def place(request, tmp_path):
    """Give the place of a database that does not exist yet, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path / "hening.sqlite"
    return PostgresAddress(request.getfixturevalue("postgres").make_database())


@pytest.fixture(scope="session")
def stranger():
    """Give a function that sends a job to `tests.server.stranger`."""
    with forking("tests.server.stranger") as ask:
        yield ask
