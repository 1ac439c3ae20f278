"""Planes that the tests of this folder share: one for each mode of the gate."""

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
    """Serve the published state with an edge in front that adds headers."""
    with serve(published_state.folder, GateMode.EDGE) as served:
        yield served


@pytest.fixture(scope="session")
def strict(published_state):
    """Serve the published state to phones only."""
    with serve(published_state.folder, GateMode.STRICT) as served:
        yield served
