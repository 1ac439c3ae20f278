"""The messages between the main process and a worker.

The main process sends `Start`, then pieces of a snapshot and `Whole`, these again after each
publication, and at the end `Drain`. If dialects are configured, pieces of their map and
`WholeLists` follow each snapshot. A worker sends `Ready` once, `Counted` every second, `Said` for
failures that it survives, and `Failed` when it must end.
"""

import asyncio
import socket
from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

import msgspec

from server.compat.options import CompatOptions
from server.http.counts import Counts
from server.http.requests import GateMode
from server.http.turns import Limits
from server.processes.delta import ListPiece, Piece, Whole, WholeLists
from server.processes.errors import ChannelError
from server.storage.s3_client import S3Place

PROTOCOL = 4  # grows with each change of messages: code on disk may be newer than a process


class Certificate(msgspec.Struct, frozen=True):
    """A certificate chain and its key as PEM, read from files; they are known to match."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        """Omit the key."""
        return "Certificate(…)"


class WorkerConfig(msgspec.Struct, frozen=True):
    """The configuration of all workers.

    `hosts`: the `Host` values of phones. `blobs`: a folder, or a place in S3. `compat`: the
    dialects of existing Updater apps, with a separate certificate. `lag`: seconds in which a
    missing file may still arrive.
    """

    gate: GateMode
    limits: Limits
    hosts: tuple[bytes, ...]
    blobs: str | S3Place
    certificate: Certificate | None = None
    compat: CompatOptions = CompatOptions()
    compat_certificate: Certificate | None = None
    lag: float = 0.0


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first message to a worker, with the descriptors of its listening sockets.

    `tcp` and `unix` are for phones, `compat` for the dialects.
    """

    protocol: int
    config: WorkerConfig
    tcp: tuple[int, ...]
    unix: tuple[int, ...]
    compat: tuple[int, ...] = ()


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Accept no new connections, finish answers under way within `seconds`, then exit."""

    seconds: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker answers connections from now on."""


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """The counts since the start, and the served version; also the sign of life.

    `compat` are the dialects' counts, `lists` is the number of the served map.
    """

    counts: Counts
    version: int
    compat: Counts = msgspec.field(default_factory=Counts)
    lists: int = 0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The reason why the worker cannot continue; the sentence holds no data of a request."""

    sentence: str


class Said(msgspec.Struct, frozen=True, tag="said"):
    """A failure that the worker survives; the sentence holds no data of a request."""

    sentence: str


ToWorker: TypeAlias = Start | Piece | Whole | ListPiece | WholeLists | Drain
FromWorker: TypeAlias = Ready | Counted | Said | Failed
WORKER_DECODER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
MAIN_DECODER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


LIMIT = 16 << 20  # bytes of a message; a file of the public tree (5 MB) comes in both codings
READ = 1 << 18  # bytes of one read
_HEAD = 4

T = TypeVar("T")


def encode_message(message: msgspec.Struct) -> bytes:
    """Return a message preceded by its length; raises ChannelError if it exceeds LIMIT."""
    data = msgspec.msgpack.encode(message)
    if len(data) > LIMIT:
        raise ChannelError(f"a message of {len(data)} bytes is over the limit of {LIMIT}.")
    return len(data).to_bytes(_HEAD, "big") + data


class Messages(Generic[T]):
    """Splits received bytes into messages that `decoder` knows. Pure."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[T]:
        """Yield the messages that `data` completes; raises ChannelError for malformed ones."""
        self._data += data
        start = 0
        try:
            while len(self._data) - start >= _HEAD:
                length = int.from_bytes(self._data[start : start + _HEAD], "big")
                if length > LIMIT:
                    raise ChannelError(f"a message of {length} bytes is over the limit of {LIMIT}.")
                end = start + _HEAD + length
                if len(self._data) < end:
                    break
                # A copy: the buffer cannot be resized while a view of it exists.
                message, start = bytes(self._data[start + _HEAD : end]), end
                yield self._decode(message)
        finally:
            del self._data[:start]

    def _decode(self, data: bytes) -> T:
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise ChannelError("bytes on a channel are not a message of this version.") from error


class Channel(Generic[T]):
    """One end of a socket pair: sends any message, receives those that `decoder` knows."""

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[T],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._messages = Messages(decoder)
        self._reader = reader
        self._writer = writer

    async def send(self, message: msgspec.Struct) -> None:
        """Send a message; waits while the other end does not read.

        Raises ConnectionError if the other end is closed.
        """
        self.post(message)
        await self._writer.drain()

    def post(self, message: msgspec.Struct) -> None:
        """Send a small message without waiting."""
        self._writer.write(encode_message(message))

    async def receive(self) -> list[T]:
        """Return the next messages; an empty list at the end of the channel.

        A channel may also end within a message, if the other process died.
        """
        while True:
            try:
                data = await self._reader.read(READ)
            except ConnectionError:
                return []
            if not data:
                return []
            if messages := list(self._messages.feed(data)):
                return messages

    def close(self) -> None:
        """Close the channel; bytes sent before are still delivered."""
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until sent bytes are delivered and the channel has ended."""
        await self._writer.wait_closed()


async def open_channel(decoder: msgspec.msgpack.Decoder[T], end: socket.socket) -> Channel[T]:
    """Return the channel over one end of a socket pair, which it owns from now on."""
    reader, writer = await asyncio.open_unix_connection(sock=end)
    return Channel(decoder, reader, writer)
