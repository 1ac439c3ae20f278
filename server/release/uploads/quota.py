"""Whether there is room for one more upload, decided before its first octet is sent."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from server.release.errors import QuotaError, RateError, Share
from server.release.uploads.limits import Limits
from server.storage.control_models import Upload
from server.storage.room import Room, plan_room

_RETRY_SECONDS = 60  # an upload of a package takes minutes


def free_octets(folder: Path) -> int:
    """Return how many octets are free on the disk of a folder."""
    return shutil.disk_usage(folder).free


def check_quota(upload: Upload, waiting: Sequence[Upload], limits: Limits) -> None:
    """Raise unless `upload` may wait beside those that are `waiting` already.

    RateError for too many at once, QuotaError for too many octets of one account.
    """
    own = [each for each in waiting if each.account == upload.account]
    if len(own) >= limits.per_account or len(waiting) >= limits.in_all:
        raise RateError(
            f"{len(own)} uploads of {upload.account} and {len(waiting)} in all are not whole yet:"
            " end one of them first.",
            _RETRY_SECONDS,
            Share.UPLOADS,
        )
    octets = sum(each.length for each in own) + upload.length
    if octets > limits.account_octets:
        raise QuotaError(
            f"the uploads of {upload.account} would have {octets} octets, and"
            f" {limits.account_octets} are allowed at once: end one of them first."
        )


def check_blob_quota(upload: Upload, used: int, limits: Limits) -> None:
    """Raise QuotaError unless all blobs may grow by `upload`; `used` octets they have or will."""
    lacking = plan_room(upload.length, used=used, free=None, room=Room(limits.blob_quota))
    if lacking:
        raise QuotaError(
            f"the quota of all packages has no room for {upload.length} octets, {lacking} are"
            " lacking: have the operator collect garbage or raise `blob_quota`."
        )


def check_space(upload: Upload, missing: int, free: int, limits: Limits) -> None:
    """Raise QuotaError unless the disk holds it; `missing` octets of other uploads are to come."""
    lacking = plan_room(
        upload.length + missing, used=0, free=free, room=Room(keep_free=limits.keep_free)
    )
    if lacking:
        raise QuotaError(
            f"the disk has no room for {upload.length} octets now, {lacking} are lacking: wait"
            " until other uploads have ended, or have the operator make room or lower `keep_free`."
        )
