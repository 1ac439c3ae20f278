"""A fixture: a console on a published state."""

import pytest

from tests.server.console.browser import console_world


@pytest.fixture
async def team(world):
    """Yield a console with an account for each role."""
    async with console_world(world) as made:
        yield made
