"""Stepping stones: which builds are stones on an upgrade path, and when there is no path."""

import pytest

from server.core.errors import ReleaseError
from server.core.names import decode_channel
from server.core.pointer import find_upgrade_path, offered_in
from server.core.release import decode_release
from tests.server.core.test_release import DELTA, build

CHANNEL = decode_channel("armani/id/stable")
OTHER = "armani/id/beta"


def releases(*entries):
    """Return releases by path from (counter, changes); `place` in changes is another channel."""
    found = {}
    for number, (counter, changes) in enumerate(entries):
        place = changes.pop("place", CHANNEL)
        path = f"{place}/{number}.zip"
        found[path] = decode_release(path, build(counter, **changes))
    return found


def test_a_channel_offers_its_own_that_are_not_withdrawn():
    """Another channel's, and withdrawn ones, are not offered."""
    listed = releases((1, {}), (2, {"withdrawn": True}), (3, {"place": OTHER}))
    assert [release.counter for release in offered_in(CHANNEL, listed).values()] == [1]


def test_a_build_that_all_phones_may_install_is_one_step():
    """Whatever else is listed."""
    assert find_upgrade_path(CHANNEL, 3, releases((1, {}), (2, {}), (3, {}))) == [3]


def test_the_newest_stone_that_will_do_is_taken():
    """From a stone to its own stone, each with the highest suitable counter."""
    listed = releases((1, {}), (2, {}), (4, {"min_counter": 2}), (7, {"min_counter": 3}))
    assert find_upgrade_path(CHANNEL, 7, listed) == [2, 4, 7]


@pytest.mark.parametrize(
    "stone",
    [
        {"withdrawn": True},
        {"place": OTHER},
        {"type": "incremental", "source_builds": DELTA["source_builds"]},
    ],
)
def test_a_stone_is_a_full_package_of_the_channel(stone):
    """A withdrawn one, another channel's, and an incremental are no stones."""
    listed = releases((1, {}), (2, stone), (4, {"min_counter": 2}))
    with pytest.raises(ReleaseError, match="a full package with a counter from 2 to 3"):
        find_upgrade_path(CHANNEL, 4, listed)


def test_a_build_needs_a_full_package():
    """Without one there is no upgrade path."""
    with pytest.raises(ReleaseError, match="lists no full package of counter 2"):
        find_upgrade_path(CHANNEL, 2, releases((1, {})))


def test_a_way_has_at_most_eight_steps():
    """As many as a pointer holds."""
    entries = [(1, {}), *((number, {"min_counter": number - 1}) for number in range(2, 10))]
    listed = releases(*entries)
    assert find_upgrade_path(CHANNEL, 8, listed) == [1, 2, 3, 4, 5, 6, 7, 8]
    with pytest.raises(ReleaseError, match="more than 8 steps"):
        find_upgrade_path(CHANNEL, 9, listed)
