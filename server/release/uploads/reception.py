"""One part of an upload on its way into the file: pieces gathered, written, checked, settled."""

import asyncio
from collections.abc import AsyncIterator

from server.release.errors import TooLargeError
from server.release.uploads.checksum import Checksum
from server.release.uploads.errors import UploadStalledError
from server.release.uploads.partial import PartialFile
from server.release.uploads.threads import to_end

BEYOND = (
    "the part goes beyond the length that the upload announced: send what is left of it, or"
    " announce another upload."
)
BATCH = 1 << 20
"""Octets that are gathered before a thread writes them: pieces of a socket have about 64 KiB."""


async def receive(
    file: PartialFile,
    pieces: AsyncIterator[bytes],
    room: int,
    checksum: Checksum | None,
    silence: float,
) -> None:
    """Append the octets of one part, at most `room`; on return they survive a power cut.

    Whatever ends it early, a connection that is lost or pauses for `silence` seconds among it, what
    arrived stays, and survives, too; but with a `checksum`, or of a part that is longer than
    `room`, nothing stays. The error that ended it goes on to the caller.
    """
    start, is_whole = file.offset, False
    if checksum is not None:
        await to_end(file.begin)
    try:
        try:
            await _copy(file, pieces, room, checksum, silence)
        except TooLargeError:
            await to_end(file.cut, start)
            raise
        if checksum is not None:
            checksum.check()
        is_whole = True
    finally:
        if checksum is not None and not is_whole:
            await to_end(file.cut, start)
        await to_end(file.settle)


async def _copy(
    file: PartialFile,
    pieces: AsyncIterator[bytes],
    room: int,
    checksum: Checksum | None,
    silence: float,
) -> None:
    batch = bytearray()
    try:
        while True:
            try:
                async with asyncio.timeout(silence):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                raise UploadStalledError(
                    "the part paused for too long: what arrived is kept, go on from there."
                ) from error
            if piece is None:
                break
            room -= len(piece)
            if room < 0:
                raise TooLargeError(BEYOND)
            batch += piece
            if len(batch) >= BATCH:
                # What cannot be written is not tried once more below.
                full, batch = bytes(batch), bytearray()
                await to_end(_take, file, full, checksum)
    finally:
        if batch:
            await to_end(_take, file, bytes(batch), checksum)


def _take(file: PartialFile, data: bytes, checksum: Checksum | None) -> None:
    if checksum is not None:
        checksum.feed(data)
    file.write(data)
