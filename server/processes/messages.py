"""The messages between main process and worker.

The main process sends `Start`, then pieces of a snapshot followed by `Whole`, again with each
publication, and at last `Drain`. Where dialects are spoken, pieces of their map and `WholeLists`
follow each snapshot. A worker sends `Ready` once, `Counted` every second, and `Failed`
when it must end.
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

PROTOCOL = 4  # raised with each change of these messages: code on disk may be newer than a process


class Certificate(msgspec.Struct, frozen=True):
    """A certificate chain and its key, both PEM, as read from files and found to match."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        """Omit the key."""
        return "Certificate(…)"


class WorkerConfig(msgspec.Struct, frozen=True):
    """What is the same for every worker. `hosts`: `Host` values of phones; `blobs`: a folder.

    `compat`: the dialects of existing Updater apps, with a certificate of their own. `lag`: seconds
    for which a file that is not there may still come.
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
    """The first message to a worker; the rest are descriptors of its listening sockets.

    `tcp` and `unix` are for phones, `compat` for the dialects.
    """

    protocol: int
    config: WorkerConfig
    tcp: tuple[int, ...]
    unix: tuple[int, ...]
    compat: tuple[int, ...] = ()


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Accept no new connection, end what is under way within `seconds`, then exit."""

    seconds: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Connections are answered from now on."""


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """Counts since the start, and the version that is served; a sign of life as well.

    `compat` are the dialects' counts, `lists` the number of their map that is served.
    """

    counts: Counts
    version: int
    compat: Counts = msgspec.field(default_factory=Counts)
    lists: int = 0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The worker cannot continue, and why; the sentence holds nothing of a request."""

    sentence: str


class Said(msgspec.Struct, frozen=True, tag="said"):
    """A failure that the worker survives; the sentence is as that of `Failed`."""

    sentence: str


ToWorker: TypeAlias = Start | Piece | Whole | ListPiece | WholeLists | Drain
FromWorker: TypeAlias = Ready | Counted | Said | Failed
WORKER_DECODER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
MAIN_DECODER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


LIMIT = 16 << 20  # bytes of a message: one file of the public tree (5 MB) in both its codings
READ = 1 << 18  # bytes of one read
_HEAD = 4

T = TypeVar("T")


def encode_message(message: msgspec.Struct) -> bytes:
    """Return a message with its length in front; raises ChannelError over `LIMIT`."""
    data = msgspec.msgpack.encode(message)
    if len(data) > LIMIT:
        raise ChannelError(f"a message of {len(data)} bytes is over the limit of {LIMIT}.")
    return len(data).to_bytes(_HEAD, "big") + data


class Messages(Generic[T]):
    """Splits bytes as they come into messages that `decoder` knows. Pure."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._data = bytearray()

    @property
    def is_between(self) -> bool:
        """Answer whether no message is incomplete."""
        return not self._data

    def feed(self, data: bytes) -> Iterator[T]:
        """Yield the messages that `data` completes; raises ChannelError for malformed ones."""
        self._data += data
        start = 0
        try:
            while len(self._data) - start >= _HEAD:
                length = int.from_bytes(self._data[start : start + _HEAD], "big")
                if length > LIMIT:
                    raise ChannelError(f"a message of {length} bytes was announced.")
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
            raise ChannelError("bytes on a channel are no message of this version.") from error


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
        """Send; wait while the other end does not read. Raises ConnectionError at its end."""
        self.post(message)
        await self._writer.drain()

    def post(self, message: msgspec.Struct) -> None:
        """Send without waiting; for small messages."""
        self._writer.write(encode_message(message))

    async def receive(self) -> list[T]:
        """Return the next messages; an empty list at the end of the channel.

        An end inside a message counts as an end, too: the other process died.
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
        """Wait until what was sent is delivered and the channel has ended."""
        await self._writer.wait_closed()


async def open_channel(decoder: msgspec.msgpack.Decoder[T], end: socket.socket) -> Channel[T]:
    """Return the channel over one end of a socket pair, which it owns from now on."""
    reader, writer = await asyncio.open_unix_connection(sock=end)
    return Channel(decoder, reader, writer)
