"""A file on its way to a client of the lane."""

import asyncio
from collections.abc import Callable

from server.device.downloads import Downloads
from server.device.file_sending import Sending
from server.device.heads import PlannedFile
from server.device.taking import untaken
from server.storage.errors import StorageError


class FileAnswer:
    """Sends `head` and what is planned, then tells `done` whether it did; else nothing was sent.

    Where the connection is gone, or was reset since the file ended early, nobody is told.
    """

    def __init__(
        self,
        downloads: Downloads,
        transport: asyncio.Transport,
        planned: PlannedFile,
        head: bytes,
        done: Callable[[bool], None],
    ) -> None:
        self._transport = transport
        self._done = done
        self._sending: Sending | None = None
        self._task = asyncio.create_task(self._run(downloads, planned, head))

    async def _run(self, downloads: Downloads, planned: PlannedFile, head: bytes) -> None:
        try:
            is_sent = await downloads.send_file(self._transport, planned, head, self._begin)
        except (OSError, StorageError):
            return
        if not self._transport.is_closing():
            self._done(is_sent)

    def _begin(self, sending: Sending) -> None:
        self._sending = sending

    def untaken(self) -> int:
        """Return how many octets the client has still to take, as far as known."""
        left = 0 if self._sending is None else self._sending.left()
        return left + untaken(self._transport)

    def cut(self) -> None:
        """End it and its connection."""
        if self._sending is None:
            self._transport.abort()
        else:
            self._sending.twin.cut()
