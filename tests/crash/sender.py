"""Sends the rest of an upload in pieces, in a process that may die at each piece."""

import base64
import hashlib
import resource
from dataclasses import replace

import pytest

from server.release.errors import QuotaError
from server.release.uploads.headers import decode_checksum
from server.release.uploads.partial import BATCH
from tests.server.release.uploads.harness import LIMITS, principal

#: Three batches, so that some are on disk when the process dies in the middle of the part.
WHOLE = bytes(range(256)) * (3 * BATCH // 256)
FIRST = 1000
PIECE = BATCH // 2
ROOMY = replace(LIMITS, length=len(WHOLE), account_bytes=len(WHOLE))


async def send_rest(harness, job, before_piece):
    """Send everything after the first `FIRST` bytes as one part."""
    rest = WHOLE[FIRST:]
    digest = base64.b64encode(hashlib.sha256(rest).digest()).decode()
    checksum = decode_checksum(f"sha256 {digest}") if job["checksum"] else None

    async def pieces():  # noqa: RUF029 - as a socket would give them
        for start in range(0, len(rest), PIECE):
            before_piece()
            yield rest[start : start + PIECE]

    sending = harness.uploads.append(
        principal(), job["upload"], FIRST, pieces(), len(rest), checksum
    )
    if "file_size" in job:  # the kernel lets no file grow beyond it
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"],) * 2)
        with pytest.raises(QuotaError, match="disk is full"):
            await sending
    else:
        assert (await sending).is_whole
