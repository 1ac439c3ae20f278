"""Fixtures: a state with a package of three blocks, the nginx edge in front of it, a site."""

import pytest

from server.http.requests import GateMode
from server.publisher.publisher import Publisher
from tests.edge import BIG, run_edge_before
from tests.server.ceremony import release
from tests.server.device.served import serve
from tests.server.world import FIRST, PACKAGE_1, SECOND


@pytest.fixture(scope="package")
def big_state(published_state, tmp_path_factory):
    """Return a state whose second release has three blocks; tests do not change it."""
    world = published_state.copy(tmp_path_factory.mktemp("edge") / "state")
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (BIG, release(2))}
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    assert world.publish(role, [BIG]).reason == ""
    world.run(lambda publisher: Publisher.change_pointers(publisher, world.offer(2)))
    return world


@pytest.fixture(scope="package")
def origin(big_state):
    """Yield the device plane behind the edge."""
    with serve(big_state.folder, GateMode.EDGE, hosts=(b"updates.example.org",)) as served:
        yield served


@pytest.fixture(scope="package")
def edge(origin, tmp_path_factory):
    """Yield an edge that tests share, so its cache may already have answers."""
    with run_edge_before(origin.port, tmp_path_factory.mktemp("nginx")) as edge:
        yield edge


@pytest.fixture
def fresh_edge(origin, tmp_path):
    """Yield an edge with an empty cache."""
    with run_edge_before(origin.port, tmp_path) as edge:
        yield edge


@pytest.fixture
def site(released_site, tmp_path):
    """Return a site at which one release is public and no node runs."""
    return released_site.clone(tmp_path)
