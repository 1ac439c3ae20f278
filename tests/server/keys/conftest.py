"""A fixture whose online keys are in a separate key process."""

import pytest

from tests.server.keys.process import move_keys


@pytest.fixture
def apart(world, tmp_path):
    """Yield a world that offers release 1, and the running key process with its keys."""
    process = move_keys(world, tmp_path / "apart")
    process.start()
    yield world, process
    process.stop()
