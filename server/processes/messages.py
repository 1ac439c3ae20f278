"""What main process and worker say to each other.

The main process says `Start`, then pieces of a snapshot with `Whole` at their end, again with each
publication, and at last `Drain`. A worker says `Ready` once, `Counted` every second, and `Failed`
where it must end.
"""

import asyncio
import socket
from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

import msgspec

from server.device.counts import Counts
from server.device.gate import GateMode
from server.device.turns import Limits
from server.processes.delta import Piece, Whole
from server.processes.errors import ChannelError
from server.storage.s3_client import S3Place

PROTOCOL = 1  # raised with each change of these messages: code on disk may be newer than a process


class Certificate(msgspec.Struct, frozen=True):
    """A certificate chain and its key, both PEM, as they were read and found to fit."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "Certificate(…)"


class Duty(msgspec.Struct, frozen=True):
    """What is the same for every worker. `hosts`: by which phones ask; `blobs`: a folder's path."""

    gate: GateMode
    limits: Limits
    hosts: tuple[bytes, ...]
    blobs: str | S3Place
    certificate: Certificate | None = None


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first message to a worker; `tcp` and `unix` are descriptors of its listening sockets."""

    protocol: int
    duty: Duty
    tcp: tuple[int, ...]
    unix: tuple[int, ...]


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Take no new connection, end what is under way within `seconds`, and then yourself."""

    seconds: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Connections are answered from now on."""


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """What was counted since the start, and the version that is served; a sign of life as well."""

    counts: Counts
    version: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The worker cannot go on, and why; the sentence holds nothing of a request."""

    sentence: str


class Said(msgspec.Struct, frozen=True, tag="said"):
    """Something went wrong that the worker goes on after; the sentence is as that of `Failed`."""

    sentence: str


ToWorker: TypeAlias = Start | Piece | Whole | Drain
FromWorker: TypeAlias = Ready | Counted | Said | Failed
WORKER_DECODER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
MAIN_DECODER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


LIMIT = 16 << 20  # bytes of a message: one file of the public tree (5 MB) in both its codings
READ = 1 << 18  # bytes read in one go
_HEAD = 4

T = TypeVar("T")


def encode_message(message: msgspec.Struct) -> bytes:
    """Return a message with its length in front; raises ChannelError over `LIMIT`."""
    data = msgspec.msgpack.encode(message)
    if len(data) > LIMIT:
        raise ChannelError(f"a message of {len(data)} bytes is over the limit of {LIMIT}.")
    return len(data).to_bytes(_HEAD, "big") + data


class Messages(Generic[T]):
    """Takes bytes as they come, and gives the messages that `decoder` knows. Pure."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._data = bytearray()

    @property
    def is_between(self) -> bool:
        """Tell whether no message has begun that is not whole."""
        return not self._data

    def feed(self, data: bytes) -> Iterator[T]:
        """Yield the messages that `data` complete; raises ChannelError for what is none."""
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
                # A copy of it: the buffer cannot be cut while somebody looks into it.
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
        """Send, and wait while the other end takes nothing. Raises ConnectionError at its end."""
        self.tell(message)
        await self._writer.drain()

    def tell(self, message: msgspec.Struct) -> None:
        """Send without waiting; for what is small."""
        self._writer.write(encode_message(message))

    async def receive(self) -> list[T]:
        """Return the messages that came next; an empty list at the end of the channel.

        An end inside a message is an end as well: the other process died.
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
        """End the channel; what was sent is still delivered."""
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until what was sent is delivered and the channel has ended."""
        await self._writer.wait_closed()


async def open_channel(decoder: msgspec.msgpack.Decoder[T], end: socket.socket) -> Channel[T]:
    """Return the channel over one end of a socket pair, which belongs to it from now on."""
    reader, writer = await asyncio.open_unix_connection(sock=end)
    return Channel(decoder, reader, writer)
