"""How much one submission may hold, and whether there is room for it. Pure."""

from dataclasses import dataclass

from server.core.bundle import Bundle
from server.core.errors import FormatError
from server.core.metadata import metadata_limit
from server.release.errors import QuotaError, TooLargeError
from server.storage.room import KEEP_FREE

COPIES = 3
"""Of a role file until it is public: in `incoming`, staged, and in its place."""


@dataclass(frozen=True, slots=True)
class SubmissionLimits:
    """`octets`: of all role files of one submission; `keep_free`: octets left on the disk."""

    octets: int = 256 << 20
    keep_free: int = KEEP_FREE


def check_size(bundle: Bundle, limits: SubmissionLimits) -> int:
    """Return how many octets the role files of a bundle have in all.

    Raises FormatError for one that no reader would take, TooLargeError for too many in all.
    """
    for role in bundle.roles:
        if role.length > metadata_limit(role.name):
            raise FormatError(
                f"{role.name} {role.version} has {role.length} octets, and readers take"
                f" {metadata_limit(role.name)}: sign one that lists less."
            )
    total = sum(role.length for role in bundle.roles)
    if total > limits.octets:
        raise TooLargeError(
            f"the role files have {total} octets, and {limits.octets} are taken at once: make"
            " bundles of fewer roles, or have the operator raise `submission_limit`."
        )
    return total


def check_free(total: int, free: int, limits: SubmissionLimits) -> None:
    """Raise QuotaError unless `total` octets of role files fit on a disk with `free` octets."""
    lacking = COPIES * total + limits.keep_free - free
    if lacking > 0:
        raise QuotaError(
            f"the disk has no room for role files of {total} octets, {lacking} are lacking: have"
            " the operator make room, or lower `keep_free`."
        )
