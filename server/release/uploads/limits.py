"""Limits of uploads: number, bytes and lifetime."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from server.core.errors import HeningError
from server.release.errors import ConflictError, QuotaError, RateError, Share
from server.settings import Settings
from server.storage.models import Upload
from server.storage.room import KEEP_FREE, Room, plan_room


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of uploads.

    `length`: bytes of one upload; a full package of a big model has about 4 GiB.
    `per_account`, `in_all`: unfinished uploads of one account, and of all.
    `finished`: finished uploads of an account that are remembered; older ones are forgotten early.
    `account_bytes`: announced bytes of an account's unfinished uploads.
    `keep_free`: bytes that uploads leave free on the disk for publishing, the log and the database.
    `blob_quota`: bytes of all blobs, including unfinished uploads; 0 for no limit.
    `lifetime`: how long an upload waits for its next part; each part restarts the time.
    `silence`: the longest pause within a part before it counts as interrupted.
    """

    length: int = 16 << 30
    per_account: int = 16
    in_all: int = 64
    finished: int = 1000
    account_bytes: int = 64 << 30
    keep_free: int = KEEP_FREE
    blob_quota: int = 0
    lifetime: timedelta = timedelta(days=1)
    silence: timedelta = timedelta(seconds=30)


def limits_of(settings: Settings) -> Limits:
    """Return the limits from an operator's settings."""
    return Limits(
        length=settings.upload_limit,
        per_account=settings.uploads_per_account,
        in_all=settings.uploads_in_all,
        account_bytes=settings.upload_account_octets,
        keep_free=settings.keep_free,
        blob_quota=settings.blob_quota,
        lifetime=timedelta(hours=settings.upload_hours),
    )


_RETRY_SECONDS = 60  # an upload of a package takes minutes


def free_bytes(folder: Path) -> int:
    """Return the free bytes on a folder's disk."""
    return shutil.disk_usage(folder).free


def check_quota(upload: Upload, waiting: Sequence[Upload], limits: Limits) -> None:
    """Check that `upload` is allowed in addition to the unfinished uploads in `waiting`.

    Raises RateError for too many at the same time, QuotaError for too many bytes of one account.
    """
    own = [each for each in waiting if each.account == upload.account]
    if len(own) >= limits.per_account or len(waiting) >= limits.in_all:
        raise RateError(
            f"{upload.account} has {len(own)} unfinished uploads, of {len(waiting)} in all: finish"
            " or delete one of them first.",
            _RETRY_SECONDS,
            Share.UPLOADS,
        )
    data = sum(each.length for each in own) + upload.length
    if data > limits.account_bytes:
        raise QuotaError(
            f"the unfinished uploads of {upload.account} would have {data} bytes, and"
            f" {limits.account_bytes} are allowed: finish or delete one of them first."
        )


def check_blob_quota(upload: Upload, used: int, limits: Limits) -> None:
    """Raise QuotaError unless `upload` fits into the quota of all blobs.

    `used`: bytes of all blobs and of all other unfinished uploads.
    """
    lacking = plan_room(upload.length, used=used, free=None, room=Room(limits.blob_quota))
    if lacking:
        raise QuotaError(
            f"the quota of all packages has no room for {upload.length} bytes, {lacking} are"
            " missing: have the operator collect garbage or raise `blob_quota`."
        )


def check_space(upload: Upload, missing: int, free: int, limits: Limits) -> None:
    """Raise QuotaError unless the disk, with `free` bytes, has room for `upload`.

    `missing`: bytes that other unfinished uploads are still going to take.
    """
    lacking = plan_room(
        upload.length + missing, used=0, free=free, room=Room(keep_free=limits.keep_free)
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
