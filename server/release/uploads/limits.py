"""Limits of uploads, as the settings have them: number and bytes; and the errors of uploads."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from server.core.errors import HeningError
from server.release.errors import ConflictError, QuotaError, RateError, Share
from server.settings import Settings
from server.storage.models import Upload
from server.storage.room import Room, plan_room

_RETRY_SECONDS = 60  # an upload of a package takes minutes


def free_bytes(folder: Path) -> int:
    """Return the free bytes on a folder's disk."""
    return shutil.disk_usage(folder).free


def check_quota(upload: Upload, waiting: Sequence[Upload], settings: Settings) -> None:
    """Check that `upload` is allowed in addition to the unfinished uploads in `waiting`.

    Raises RateError for too many at the same time, QuotaError for too many bytes of one account.
    """
    own = [each for each in waiting if each.account == upload.account]
    if len(own) >= settings.uploads_per_account or len(waiting) >= settings.uploads_in_all:
        raise RateError(
            f"{upload.account} has {len(own)} unfinished uploads, of {len(waiting)} in all: finish"
            " or delete one of them first.",
            _RETRY_SECONDS,
            Share.UPLOADS,
        )
    data = sum(each.length for each in own) + upload.length
    if data > settings.upload_account_octets:
        raise QuotaError(
            f"the unfinished uploads of {upload.account} would have {data} bytes, and"
            f" {settings.upload_account_octets} are allowed: finish or delete one of them first."
        )


def check_blob_quota(upload: Upload, used: int, settings: Settings) -> None:
    """Raise QuotaError unless `upload` fits into the quota of all blobs.

    `used`: bytes of all blobs and of all other unfinished uploads.
    """
    lacking = plan_room(upload.length, used=used, free=None, room=Room(settings.blob_quota))
    if lacking:
        raise QuotaError(
            f"the quota of all packages has no room for {upload.length} bytes, {lacking} are"
            " missing: have the operator collect garbage or raise `blob_quota`."
        )


def check_space(upload: Upload, missing: int, free: int, settings: Settings) -> None:
    """Raise QuotaError unless the disk, with `free` bytes, has room for `upload`.

    `missing`: bytes that other unfinished uploads are still going to take.
    """
    lacking = plan_room(
        upload.length + missing, used=0, free=free, room=Room(keep_free=settings.keep_free)
    )
    if lacking:
        raise QuotaError(
            f"the disk has no room for {upload.length} bytes now, {lacking} are missing: wait"
            " for the end of other uploads, or have the operator make room or lower `keep_free`."
        )


class UploadBusyError(ConflictError):
    """Another request has this upload open: it sends a part or verifies the bytes."""


class OffsetError(ConflictError):
    """A part does not begin at `offset`, where the bytes so far end."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the next part has to begin at offset {offset}: ask with HEAD first.")
        self.offset = offset


class UploadStalledError(HeningError):
    """A part paused for too long; the bytes so far are kept."""


class UploadChecksumError(HeningError):
    """The bytes do not have the announced hash, of a part or of the upload."""
