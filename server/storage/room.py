"""Room for more blobs: within a quota, and with some of the disk left free.

Blobs that do not fit are refused before a byte is transferred. Pure.
"""

import errno
from dataclasses import dataclass

from server.storage.errors import StorageError

KEEP_FREE = 256 * 1024 * 1024  # bytes; publishing, the log and the database need them


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The errno values for a full disk, an exhausted quota, and a file over its size limit."""


class NoRoomError(StorageError):
    """A quota or a disk has no room for the expected bytes."""


def is_full(error: Exception) -> bool:
    """Answer whether an error means that there is no room."""
    return isinstance(error, NoRoomError) or (isinstance(error, OSError) and error.errno in FULL)


@dataclass(frozen=True, slots=True)
class Room:
    """`quota`: bytes of all blobs together, 0 for no limit; `keep_free`: bytes left on the disk."""

    quota: int = 0
    keep_free: int = KEEP_FREE


def plan_room(length: int, *, used: int, free: int | None, room: Room) -> int:
    """Return how many bytes must be freed to make room for `length` more; 0 if there is room.

    `used` bytes are in the store; `free` bytes are left on its disk, None without a disk.
    """
    lacking = used + length - room.quota if room.quota else 0
    if free is not None:
        lacking = max(lacking, length + room.keep_free - free)
    return max(lacking, 0) if length else 0


def check_room(length: int, *, used: int, free: int | None, room: Room) -> None:
    """Raise NoRoomError, which says what to do, unless there is room for `length` more bytes."""
    lacking = plan_room(length, used=used, free=free, room=room)
    if not lacking:
        return
    if room.quota and used + length > room.quota:
        remedy = "`blob_quota` is used up: collect garbage with `gc`, or raise it"
    else:
        remedy = "the disk is too full: make room, or lower `keep_free`"
    raise NoRoomError(f"there is no room for {length} bytes, {lacking} are missing; {remedy}.")
