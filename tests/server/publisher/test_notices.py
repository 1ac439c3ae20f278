"""What is said of disk and quota, and when."""

import pytest

from server.core.quantities import spell_size
from server.publisher.notices import plan_room_notices
from server.storage.room import Room


@pytest.mark.parametrize(
    ("free", "expected"),
    [(4000, None), (3999, "warning"), (1000, "warning"), (999, "critical"), (0, "critical")],
)
def test_a_disk_that_fills(free, expected):
    """Below four times `keep_free` it is time, below `keep_free` bundles are refused."""
    notices = list(plan_room_notices(free, 0, Room(keep_free=1000)))
    assert [notice.severity for notice in notices] == ([expected] if expected else [])
    for notice in notices:
        assert notice.subject == "disk"
        assert str(notice).startswith(f"{spell_size(free)} are free on the disk, and")
        assert "make room" in notice.sentence


@pytest.mark.parametrize(
    ("used", "quota", "expected"),
    [
        (899, 1000, None),
        (900, 1000, "warning"),
        (1000, 1000, "critical"),
        (1 << 40, 0, None),
    ],
)
def test_a_quota_that_is_used_up(used, quota, expected):
    """At nine tenths it is time; without a quota nothing is said."""
    notices = list(plan_room_notices(1 << 50, used, Room(quota)))
    assert [notice.severity for notice in notices] == ([expected] if expected else [])
    assert all(notice.subject == "quota" and "gc" in notice.sentence for notice in notices)
