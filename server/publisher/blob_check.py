"""Whether blobs, their records and the metadata agree, and in which sentence they do not.

Blobs that nothing names are in order: `gc` removes them in time.
"""

from collections.abc import Mapping

from server.core.errors import HeningError
from server.core.latest import is_latest
from server.publisher.errors import PublishError
from server.publisher.published import Published
from server.storage.blobs import BlobStore

Listed = list[tuple[str, str, int]]  # path, sha256 and length of each target with a blob


def list_targets(published: Published) -> Listed:
    """Return path, sha256 and length of every target that has a blob."""
    return [
        (path, target.hashes["sha256"], target.length)
        for name, role in published.roles.items()
        for path, target in role.targets.items()
        if not is_latest(name)
    ]


def look_at_blobs(blobs: BlobStore, listed: Listed, *, deep: bool) -> tuple[str, str]:
    """Return what is in order with the blobs of targets, or what is not."""
    try:
        lengths = blobs.lengths({sha256 for _, sha256, _ in listed})
        for path, sha256, length in listed:
            if lengths.get(sha256) != length:
                raise PublishError(f"the blob of {path} is not there.")
            if deep:
                blobs.verify(sha256, length)
    except HeningError as error:
        return "", str(error)
    return f"{len(listed)} {'hashed again' if deep else 'there with their length'}", ""


def look_at_records(
    blobs: BlobStore, listed: Listed, records: Mapping[str, int]
) -> tuple[str, str]:
    """Return what is in order with the records of blobs that came in, or what is not.

    Raises no error for a target whose blob is not there: that is `look_at_blobs`'s to say.
    """
    named = {sha256 for _, sha256, _ in listed}
    try:
        stored = {blob.sha256: blob.length for blob in blobs.list()}
    except HeningError as error:
        return "", str(error)
    for path, sha256, length in listed:
        if records.get(sha256) != length:
            return "", f"no record says that the blob of {path} was verified: submit it again."
    for sha256, length in records.items():
        if sha256 not in named and stored.get(sha256) != length:
            return "", (
                f"the blob {sha256[:16]} has a record and is not there: it was removed by hand, and"
                " comes again with a bundle that needs it."
            )
    unnamed = len(stored.keys() - named)
    return f"{len(records)} blobs were verified; {unnamed} in the store are named by no target", ""
