"""Fixtures: the API of `toys`, with one server for each module."""

import pytest
import pytest_asyncio
import structlog

from tests.server.release.api.toys import FAILURES, MADE, TOYS
from tests.server.release.api_world import api_world
from tests.server.release.urgent_world import urgent_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def toy_server(fresh_state, tmp_path_factory):
    """Serve an API with every kind of operation."""
    world = fresh_state.copy(tmp_path_factory.mktemp("toys") / "state")
    async with api_world(world, TOYS + FAILURES) as served:
        yield served


@pytest.fixture
def toys(toy_server):
    """Return the API of `toys` without toys of earlier tests."""
    MADE.clear()
    toy_server.ahead(0)
    return toy_server


@pytest.fixture
def log():
    """Yield the log's entries of the test."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
async def urgent(world):
    """Yield the urgent listener on a server that offers a release."""
    async with urgent_world(world) as made:
        yield made
