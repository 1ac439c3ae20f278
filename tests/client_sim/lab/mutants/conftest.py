"""What tests of leaky clients share: phones that check each signature once."""

import pytest

from client_sim.lab.servers.memo import memoised


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Check no signature twice."""
    with memoised():
        yield
