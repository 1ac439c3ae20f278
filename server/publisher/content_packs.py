"""The packs of a submission, read from the store before anybody sees them.

This is done without the lease, once the blobs are in: to decode megabytes holds nobody up. What a
role's next version is held against cannot change until then, or it is not the next one any more.
"""

import asyncio
import hashlib
from collections.abc import Collection

from tuf.api.metadata import TargetFile, Targets

from server.core.content.kinds import CONTENT_ROLES
from server.core.content.role import check_packs
from server.publisher.errors import PublishError
from server.publisher.published import Trust
from server.storage.blob_threads import BlobThreads
from server.storage.blobs import BlobStore
from server.storage.errors import StorageError

READ_SECONDS = 60  # for one blob


async def check_content(
    published: Trust | None,
    trust: Trust,
    changed: Collection[str],
    blobs: BlobStore,
    threads: BlobThreads,
) -> None:
    """Raise FormatError unless the packs of `tables` and `content` are sound, where these changed.

    It names kind, key and rule. Raises PublishError where a blob is not here, StorageError or
    OSError where the store fails.
    """
    former = {} if published is None else published.roles
    loop = asyncio.get_running_loop()
    for role in CONTENT_ROLES:
        if role not in changed:
            continue
        targets = trust.roles[role]

        def read(path: str, targets: Targets = targets) -> bytes:
            reading = _read(path, targets.targets[path], blobs)
            return asyncio.run_coroutine_threadsafe(reading, loop).result(READ_SECONDS)

        await threads.run(_check_there, targets, blobs)
        await threads.run(check_packs, role, former.get(role), targets, read)


def _check_there(targets: Targets, blobs: BlobStore) -> None:
    lengths = blobs.lengths({each.hashes["sha256"] for each in targets.targets.values()})
    for path, target in targets.targets.items():
        if lengths.get(target.hashes["sha256"]) != target.length:
            raise PublishError(f"the blob of {path} is not in the bundle and not here.")


async def _read(path: str, target: TargetFile, blobs: BlobStore) -> bytes:
    sha256 = target.hashes["sha256"]
    async with blobs.open_range(sha256, 0, target.length) as pieces:
        data = b"".join([piece async for piece in pieces])
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StorageError(f"the blob of {path} is damaged in the store: bring it back.")
    return data
