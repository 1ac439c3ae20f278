"""How much may be uploaded at once, and for how long it waits for its end."""

from dataclasses import dataclass
from datetime import timedelta

from server.settings import Settings
from server.storage.room import KEEP_FREE


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of uploads; octets, but for counts and durations.

    `length`: of one upload; a full package of a big model has about 4 GiB.
    `per_account`, `in_all`: uploads that are not whole yet.
    `finished`: whole uploads of an account that are remembered; the oldest are forgotten early.
    `account_octets`: announced lengths of an account's uploads that are not whole yet.
    `keep_free`: what uploads leave free on the disk for publishing, the log and the database.
    `blob_quota`: of all blobs together, those that uploads are to become among them; 0 for any.
    `lifetime`: how long an upload waits for its next part; each part begins it anew.
    `silence`: how long a part may pause between two pieces before it counts as cut off.
    """

    length: int = 16 << 30
    per_account: int = 16
    in_all: int = 64
    finished: int = 1000
    account_octets: int = 64 << 30
    keep_free: int = KEEP_FREE
    blob_quota: int = 0
    lifetime: timedelta = timedelta(days=1)
    silence: timedelta = timedelta(seconds=30)


def limits_of(settings: Settings) -> Limits:
    """Return the bounds that an operator has set."""
    return Limits(
        length=settings.upload_limit,
        per_account=settings.uploads_per_account,
        in_all=settings.uploads_in_all,
        account_octets=settings.upload_account_octets,
        keep_free=settings.keep_free,
        blob_quota=settings.blob_quota,
        lifetime=timedelta(hours=settings.upload_hours),
    )
