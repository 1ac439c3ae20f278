"""The API's certificate, read again when its files change, without a restart.

Connections that stand go on with what they have; each new one is given what was read last.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import structlog

from server.core.errors import FormatError

LOOK_SECONDS = 10.0
Identity = tuple[tuple[int, int, int], ...]
log = structlog.get_logger()


class Certificates:
    """Keeps a listening `context` to the files it was loaded from.

    `load` makes a context of the files as they are; raises FormatError for what cannot be used.
    """

    def __init__(
        self, context: ssl.SSLContext, load: Callable[[], ssl.SSLContext | None], files: list[Path]
    ) -> None:
        self._load = load
        self._files = files
        self._current = context
        self._read: Identity | None = None
        self._refused: Identity | None = None
        # A context of its own for each reading: a pair that does not fit breaks none that does.
        context.sni_callback = self._choose

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read the files where they changed; what cannot be used is an alarm, once."""
        found: Identity | None = None
        try:
            found = await asyncio.to_thread(self._identify)
            if found in {self._read, self._refused}:
                return
            fresh = await asyncio.to_thread(self._load)
            if fresh is not None:
                self._current = fresh
        except (FormatError, OSError) as error:
            if found is None or found != self._refused:
                log.error("alarm", error=f"the certificate stays the former one: {error}")
            self._refused = found
            return
        if self._read is not None:
            log.info("the certificate was read again")
        self._read, self._refused = found, None

    def _identify(self) -> Identity:
        stats = [file.stat() for file in self._files]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._current
