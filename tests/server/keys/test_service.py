"""A publisher without keys, beside the process that has them."""

from server.publisher.publisher import Publisher
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND, refresh_from_disk
from tests.server.log_invariant import check_log


def test_first(fresh_apart):
    world, process = fresh_apart
    first = world.ceremony.first() | {("root", 1): world.folder.trusted_root.read_bytes()}
    assert world.publish(first).reason == ""
    assert world.publish(world.first_release(), [PACKAGE_1]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(1)))
    assert refresh_from_disk(world.folder, [FIRST])[1][FIRST] == PACKAGE_1
    check_log(world.folder, world.keys.log_verifier.public)
    assert not world.folder.keys.exists()


def test_adopt(apart):
    world, process = apart
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    assert refresh_from_disk(world.folder, [SECOND])[1][SECOND] == PACKAGE_2
    check_log(world.folder, world.keys.log_verifier.public)
