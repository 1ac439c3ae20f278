"""Data without room is refused before it is moved; the error has the missing bytes."""

import pytest

from server.storage.errors import StorageError
from server.storage.room import NoRoomError, Room, check_room, plan_room
from tests.cases import case


def test_plan_room():
    """The quota limits the sum of blobs, the reserve the disk; the larger lack counts."""
    for length, used, free, quota, keep, lacking in (
        *((10, 0, 10, 0, 0, 0), (11, 0, 10, 0, 0, 1), (10, 0, 15, 0, 5, 0), (10, 0, 14, 0, 5, 1)),
        *((10, 90, 10, 100, 0, 0), (10, 91, 10, 100, 0, 1), (10, 200, 99, 100, 0, 110)),
        *((10, 95, 0, 100, 5, 15), (10, 10**15, None, 0, 10**9, 0), (0, 200, 0, 100, 5, 0)),
        (10, 95, None, 100, 10**9, 5),
    ):
        room = Room(quota, keep)
        with case(length, used, free, quota, keep):
            assert plan_room(length, used=used, free=free, room=room) == lacking
            if not lacking:
                check_room(length, used=used, free=free, room=room)
                continue
            with pytest.raises(NoRoomError, match=f"{length} bytes, {lacking} are missing") as no:
                check_room(length, used=used, free=free, room=room)
            assert isinstance(no.value, StorageError)
            named = "`blob_quota`" if quota and used + length > quota else "`keep_free`"
            assert named in str(no.value)
