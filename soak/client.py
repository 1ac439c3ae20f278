"""A raw client: bytes out, one answer in. It has no habits that would hide what a server does."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

PATIENCE = 30.0  # seconds for an answer, or for the end of a connection
PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, header fields in lower case, and the body."""

    status: int
    fields: dict[bytes, bytes]
    body: bytes


class Connection:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> Answer:
        """Read one answer; raises an OSError or EOFError where the server ends before."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            line, *rest = head[:-4].split(b"\r\n")
            fields = {}
            for each in rest:
                name, _, value = each.partition(b": ")
                fields[name.lower()] = value
            status = int(line.split(b" ", 2)[1])
            length = 0 if status == 304 else int(fields.get(b"content-length", b"0"))
            return Answer(status, fields, await self._reader.readexactly(length))

    async def ask(self, data: bytes) -> Answer:
        """Send a request and read its answer."""
        await self.send(data)
        return await self.receive()

    async def until_closed(self) -> bytes:
        """Read until the server ends the connection; returns what it sent."""
        data = b""
        async with asyncio.timeout(PATIENCE):
            while piece := await self._reader.read(PIECE):
                data += piece
        return data

    def reset(self) -> None:
        """End the connection as a machine does that lost its power."""
        found: socket.socket = self._writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.close()

    async def close(self) -> None:
        """End the connection."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """Connect to a port of loopback until the block ends."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=PIECE)
    connection = Connection(reader, writer)
    try:
        yield connection
    finally:
        await connection.close()


async def ask_all(port: int, requests: Sequence[bytes]) -> list[Answer]:
    """Ask one thing after the other on as few connections as the server lets there be.

    An answer with `Connection: close` is the last one on its connection.
    """
    answers: list[Answer] = []
    while len(answers) < len(requests):
        async with connected(port) as connection:
            for data in requests[len(answers) :]:
                answers.append(await connection.ask(data))
                if answers[-1].fields.get(b"connection") == b"close":
                    break
    return answers
