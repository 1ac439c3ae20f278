"""Messages between two processes: four octets of length, then one msgpack object.

Both ends are ours, and still a length is checked before it is believed: what reads a channel holds
no more than one message and one piece of the next.
"""

import asyncio
import socket
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from server.processes.errors import ChannelError

LIMIT = 16 << 20  # octets of a message: one file of the public tree (5 MB) in both its codings
READ = 1 << 18  # octets read in one go
_HEAD = 4

T = TypeVar("T")


def encode_message(message: msgspec.Struct) -> bytes:
    """Return a message with its length in front; raises ChannelError over `LIMIT`."""
    octets = msgspec.msgpack.encode(message)
    if len(octets) > LIMIT:
        raise ChannelError(f"a message of {len(octets)} octets is over the limit of {LIMIT}.")
    return len(octets).to_bytes(_HEAD, "big") + octets


class Messages(Generic[T]):
    """Takes octets as they come, and gives the messages that `decoder` knows. Pure."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._octets = bytearray()

    @property
    def is_between(self) -> bool:
        """Tell whether no message has begun that is not whole."""
        return not self._octets

    def feed(self, octets: bytes) -> Iterator[T]:
        """Yield the messages that `octets` complete; raises ChannelError for what is none."""
        self._octets += octets
        start = 0
        try:
            while len(self._octets) - start >= _HEAD:
                length = int.from_bytes(self._octets[start : start + _HEAD], "big")
                if length > LIMIT:
                    raise ChannelError(f"a message of {length} octets was announced.")
                end = start + _HEAD + length
                if len(self._octets) < end:
                    break
                # A copy of it: the buffer cannot be cut while somebody looks into it.
                message, start = bytes(self._octets[start + _HEAD : end]), end
                yield self._decode(message)
        finally:
            del self._octets[:start]

    def _decode(self, octets: bytes) -> T:
        try:
            return self._decoder.decode(octets)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise ChannelError("octets on a channel are no message of this version.") from error


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
                octets = await self._reader.read(READ)
            except ConnectionError:
                return []
            if not octets:
                return []
            if messages := list(self._messages.feed(octets)):
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
