"""A cloud on either database."""

import pytest

from server.cloud.law import rounds
from tests.server.cloud.device import running


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let a request wait for the end of its erasure, however busy the machine is."""
    monkeypatch.setattr(rounds, "PATIENCE_SECONDS", None)


@pytest.fixture
async def cloud(place, tmp_path):
    """Give a cloud with open sign-up."""
    async with running(place, tmp_path) as running_cloud:
        yield running_cloud
