"""Whatever the server does on an event loop in these tests must not block it."""

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def no_blocking_calls():
    """Raise BlockingError where code of `server` blocks a running loop."""
    with blockbuster_ctx(scanned_modules="server") as blockbuster:
        # The database library makes a path absolute, which reads no disk.
        blockbuster.functions["os.path.abspath"].deactivate()
        yield blockbuster
