"""Maintenance of uploads while the server runs: after a crash, and when they expire."""

import asyncio
from collections.abc import Callable

from server.release.uploads.uploads import Uploads

EVERY_SECONDS = 600.0  # uploads live for a day


class UploadRetention:
    """`run` never returns; failures go to `alarm` and are tried again."""

    def __init__(self, uploads: Uploads, alarm: Callable[[str], None]) -> None:
        self._uploads = uploads
        self._alarm = alarm

    async def run(self) -> None:
        """Finish and sweep at the start, and every ten minutes from then on."""
        while True:
            await self.poll()
            await asyncio.sleep(EVERY_SECONDS)

    async def poll(self) -> None:
        """Finish and sweep once."""
        try:
            await self._uploads.recover()
            await self._uploads.sweep()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
            self._alarm(f"uploads are not looked after: {error}")
