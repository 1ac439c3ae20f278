"""An upload: its beginning, its rest in a process that may die at each piece, and a restart."""

import hashlib
import resource

import pytest
from msgspec.structs import replace

from server.release.errors import QuotaError
from server.release.uploads.receiver import BATCH
from tests.server.release.uploads.harness import SETTINGS, checksum, open_harness, principal

#: Three batches, so that some are on disk when the process dies in the middle of the part.
WHOLE = bytes(range(256)) * (3 * BATCH // 256)
SHA256 = hashlib.sha256(WHOLE).hexdigest()
FIRST = 1000
PIECE = BATCH // 2
ROOMY = replace(SETTINGS, upload_limit=len(WHOLE), upload_account_octets=len(WHOLE))


async def send_rest(harness, job, before_piece):
    """Send everything after the first `FIRST` bytes as one part."""
    rest = WHOLE[FIRST:]
    announced = checksum(rest) if job["checksum"] else None

    async def pieces():  # noqa: RUF029 - as a socket would give them
        for start in range(0, len(rest), PIECE):
            before_piece()
            yield rest[start : start + PIECE]

    sending = harness.uploads.append(
        principal(), job["upload"], FIRST, pieces(), len(rest), announced
    )
    if "file_size" in job:  # the kernel refuses to let a file grow further
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"],) * 2)
        with pytest.raises(QuotaError, match="disk is full"):
            await sending
    else:
        assert (await sending).offset == len(WHOLE)


async def begin(root):
    """Begin an upload whose first part arrives; return its id."""
    async with open_harness(root) as harness:
        harness.restart(ROOMY)
        upload_id = await harness.create(data=WHOLE)
        await harness.append(upload_id, 0, WHOLE[:FIRST])
        return upload_id


async def resume(root, upload_id):
    """Restart, and let the client send the rest from the offset that it reads; return that offset.

    Afterwards one blob exists, each step is in the audit log once, and no upload file is left.
    """
    async with open_harness(root) as harness:
        harness.restart(ROOMY)
        await harness.uploads.tidy()
        await harness.uploads.recover()
        offset = await harness.offset(upload_id)
        assert (await harness.uploads.blob_length(SHA256) is not None) == (offset == len(WHOLE))
        harness.numbers = 5
        await harness.append(upload_id, offset, WHOLE[offset:])
        assert await harness.uploads.blob_length(SHA256) == len(WHOLE)
        assert harness.blob(SHA256) == WHOLE
        await harness.uploads.sweep()
        assert harness.files() == []
        told = [action for action in await harness.audit_log() if action.startswith("upload.")]
        assert told == ["upload.create", "upload.finish"]
        assert await harness.offset(upload_id) == len(WHOLE)
        return offset
