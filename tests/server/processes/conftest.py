"""Fixtures: a published state, and one with a package that takes a while to send."""

import pytest

from tests.server.ceremony import release
from tests.server.world import FIRST, PACKAGE_1, SECOND, World

BIG = bytes(range(256)) * (1 << 15)


@pytest.fixture(scope="package")
def big_state(published_state, tmp_path_factory):
    """Return a state whose second release has 8 MiB. Tests must copy it, not change it."""
    world = published_state.copy(tmp_path_factory.mktemp("big") / "state")
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (BIG, release(2))}
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    assert world.publish(role, [BIG]).reason == ""
    return world


@pytest.fixture
def big(big_state, tmp_path) -> World:
    """Return a test's own copy of such a state."""
    return big_state.copy(tmp_path / "state")
