"""Garbage collection killed with SIGKILL: referenced blobs stay, and the next run completes it."""

import pytest

from server.publisher.publisher import Publisher
from tests.server.publisher.test_garbage import age_all, put, sha, there
from tests.server.world import FIRST, PACKAGE_1, refresh_from_disk

STRAYS = [b"PK\x03\x04 stray %d" % number for number in range(3)]


@pytest.mark.parametrize("where", [{"step": 1}, {"step": 2}, {"change": 1}, {"change": 2}], ids=str)
def test_killed(world, crash, where):
    """Killed after the records, after a blob, or before a blob: the next run finds what is left."""
    for data in STRAYS:
        put(world, data, days=8)
    age_all(world, 8)
    strays = {sha(data) for data in STRAYS}
    assert crash(world, "gc", **where)["status"] == -9
    assert there(world) >= {sha(PACKAGE_1)}
    assert refresh_from_disk(world.folder, [FIRST])[1] == {FIRST: PACKAGE_1}
    assert world.run(Publisher.repair) is None
    left = there(world) & strays
    assert left
    assert crash(world, "gc")["status"] == 0
    assert there(world) == {sha(PACKAGE_1)}
    assert refresh_from_disk(world.folder, [FIRST])[1] == {FIRST: PACKAGE_1}
