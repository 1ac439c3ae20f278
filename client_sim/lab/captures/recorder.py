"""A server that records every byte that clients send, and offers them nothing new.

TLS is handled here instead of in the event loop, so that the bytes on the wire can be recorded.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.lab.captures.answers import (
    Answer,
    Load,
    encode_answer,
    find_request,
    plan_answer,
)
from client_sim.lab.captures.capture_file import CaptureFile, Transfer, encode_connection
from client_sim.lab.captures.requests import HttpRequest
from client_sim.lab.errors import EnvironmentFailedError

_CHUNK: Final = 65_536
_IDLE: Final = 30.0  # seconds without a byte until a connection is closed
_LIMIT: Final = 4 * 1024 * 1024  # bytes that one client may send

_CONNECTIONS_LIMIT: Final = 64  # connections


class RecordedWire:
    """A recorded connection.

    `transfers` are the bytes on the wire, `received` is the number of bytes from the client, and
    `is_reset` says whether the client ended the connection by a reset.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        clock: Callable[[], float],
        context: ssl.SSLContext | None,
    ) -> None:
        self.transfers: list[Transfer] = []
        self.received = 0
        self.is_reset = False
        self.writer = writer
        self._reader = reader
        self._clock = clock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._secure: ssl.SSLObject | None = None
        if context is not None:
            self._secure = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_closed = False

    async def receive(self) -> bytes:
        """Return the client's next bytes, empty at the end; raise TimeoutError if it is silent."""
        while not self._is_closed:
            try:
                raw = await asyncio.wait_for(self._reader.read(_CHUNK), _IDLE)
            except ConnectionResetError:
                self.is_reset = True
                raise
            self.received += len(raw)
            if not raw or self.received > _LIMIT:
                break
            self.transfers.append(Transfer(self._clock(), True, raw))
            if self._secure is None:
                return raw
            self._incoming.write(raw)
            try:
                plain = self._read_plain(self._secure)
            finally:
                await self._flush()  # sends the alert if the handshake failed
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
        self._is_closed = True
        return plain

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self.transfers.append(Transfer(self._clock(), False, data))
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), _IDLE)


@dataclass(frozen=True, slots=True)
class RecordingEvent:
    """An event of a recording: a request and its status, or the end of a connection."""

    connection: int
    request: HttpRequest | None
    status: int
    size: int


@dataclass(frozen=True, slots=True)
class TlsSetup:
    """TLS: its context, and the file into which the context writes the session keys."""

    context: ssl.SSLContext
    key_log: Path


class Recorder:
    """Records connections into a capture until `done` is set, or `limit` connections have ended.

    `note` is called for each request and each end of a connection.
    """

    def __init__(
        self,
        capture: CaptureFile,
        load: Load,
        clock: Callable[[], float],
        note: Callable[[RecordingEvent], None],
        *,
        secure: TlsSetup | None = None,
        limit: int | None = None,
    ) -> None:
        self.done = asyncio.Event()
        self.connections = 0
        self.requests = 0
        self._capture = capture
        self._load = load
        self._clock = clock
        self._note = note
        self._secure = secure
        self._limit = limit
        self._ended = 0
        self._open: set[asyncio.Task[None]] = set()
        self._failure: OSError | EnvironmentFailedError | None = None

    async def run(self, address: str, port: int, listening: Callable[[str, int], None]) -> None:
        """Listen, call `listening` with the address and port, and record until `done` is set.

        An OSError or EnvironmentFailedError ends the recording and is raised.
        """
        tls = None if self._secure is None else self._secure.context

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is None or len(self._open) >= _CONNECTIONS_LIMIT or self.done.is_set():
                writer.close()
                return
            self._open.add(task)
            try:
                await self._serve(RecordedWire(reader, writer, self._clock, tls))
            except (OSError, EnvironmentFailedError) as error:
                self._failure = error
                self.done.set()
            finally:
                self._open.discard(task)

        server = await asyncio.start_server(serve, address, port)
        async with server:
            listening(*server.sockets[0].getsockname()[:2])
            await self.done.wait()
            server.close()
            for task in tuple(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def _serve(self, wire: RecordedWire) -> None:
        self.connections += 1
        number, started = self.connections, self._clock()
        client = wire.writer.get_extra_info("peername")[:2]
        server = wire.writer.get_extra_info("sockname")[:2]
        try:
            # The bytes of a client that resets, is silent or does not use TLS are recorded, too.
            with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
                await self._answer_requests(wire, number)
        finally:
            wire.writer.close()
            keys = b""
            if self._secure is not None:
                keys = await asyncio.to_thread(self._secure.key_log.read_bytes)
            packets = encode_connection(
                client, server, started, wire.transfers, self._clock(), is_reset=wire.is_reset
            )
            self._capture.write(packets, keys)
            self._note(RecordingEvent(number, None, 0, wire.received))
            self._ended += 1
            if self._limit is not None and self._ended >= self._limit:
                self.done.set()

    async def _answer_requests(self, wire: RecordedWire, number: int) -> None:
        buffer = b""
        while data := await wire.receive():
            buffer += data
            while buffer:
                found = find_request(buffer)
                if found is True:
                    break
                answer = await self._answer(found if isinstance(found, HttpRequest) else None)
                if isinstance(found, HttpRequest):
                    buffer = buffer[found.end :]
                    self.requests += 1
                    self._note(RecordingEvent(number, found, answer.status, found.end))
                await wire.send(answer.data)
                if answer.closes:
                    return

    async def _answer(self, request: HttpRequest | None) -> Answer:
        if request is None:
            return encode_answer(400, b"", closes=True)
        return await asyncio.to_thread(plan_answer, request, self._load)
