"""Fixtures: a device plane for each mode of the gate."""

import pytest

from server.http.requests import GateMode
from tests.server.device.served import serve


@pytest.fixture(scope="session")
def direct(published_state):
    """Serve the published state to every client."""
    with serve(published_state.folder) as served:
        yield served


@pytest.fixture(scope="session")
def edge(published_state):
    """Serve the published state behind an edge that adds headers."""
    with serve(published_state.folder, GateMode.EDGE) as served:
        yield served


@pytest.fixture(scope="session")
def strict(published_state):
    """Serve the published state to phones only."""
    with serve(published_state.folder, GateMode.STRICT) as served:
        yield served
