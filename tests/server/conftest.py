"""Whatever the server does on an event loop in these tests must not block it."""

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def no_blocking_calls():
    """Raise BlockingError where code of `server` blocks a running loop."""
    with blockbuster_ctx(scanned_modules="server") as blockbuster:
        # The database library makes a path absolute, which reads no disk.
        blockbuster.functions["os.path.abspath"].deactivate()
        for function in blockbuster.functions.values():
            # The driver looks for the user's keys and passwords as every client of PostgreSQL does;
            # migrations run in a loop of their own, which serves nobody else.
            function.can_block_in("storage/engine.py", "_connect")
            function.can_block_in("storage/migration.py", "_upgrade")
            function.can_block_in("storage/test_both_databases.py", "undo")
        yield blockbuster
