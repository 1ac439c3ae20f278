"""One connection of a recording server: what passed on it, and TLS taken off where there is any.

TLS is done here and not by the event loop, so that the bytes on the wire can be kept.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from client_sim.lab.captures.wire import Passed

_CHUNK: Final = 65_536
_IDLE: Final = 30.0  # seconds without a byte after which a connection is given up
_LIMIT: Final = 4 * 1024 * 1024  # bytes that one client may send


class RecordedWire:
    """A connection; `passed` are the bytes on the wire, `received` how many the client sent.

    `is_reset` says that the client ended it by a reset.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        clock: Callable[[], float],
        context: ssl.SSLContext | None,
    ) -> None:
        self.passed: list[Passed] = []
        self.received = 0
        self.is_reset = False
        self.writer = writer
        self._reader = reader
        self._clock = clock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._secure: ssl.SSLObject | None = None
        if context is not None:
            self._secure = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_over = False

    async def receive(self) -> bytes:
        """Return the next bytes of the client, none at the end; TimeoutError when it is silent."""
        while not self._is_over:
            try:
                raw = await asyncio.wait_for(self._reader.read(_CHUNK), _IDLE)
            except ConnectionResetError:
                self.is_reset = True
                raise
            self.received += len(raw)
            if not raw or self.received > _LIMIT:
                break
            self.passed.append(Passed(self._clock(), True, raw))
            if self._secure is None:
                return raw
            self._incoming.write(raw)
            try:
                plain = self._read_plain(self._secure)
            finally:
                await self._flush()  # also what says that the handshake failed
            if plain:
                return plain
        return b""

    async def send(self, data: bytes) -> None:
        """Send an answer."""
        if self._secure is None:
            self._outgoing.write(data)
        else:
            self._secure.write(data)
        await self._flush()

    def _read_plain(self, secure: ssl.SSLObject) -> bytes:
        plain = b""
        try:
            while data := secure.read(_CHUNK):
                plain += data
        except ssl.SSLWantReadError:
            return plain
        except ssl.SSLZeroReturnError:
            pass
        self._is_over = True
        return plain

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self.passed.append(Passed(self._clock(), False, data))
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), _IDLE)
