"""A transport without a socket, which stores the written bytes."""

import asyncio
from collections.abc import Iterable


class MemoryTransport(asyncio.Transport):
    """Stores all bytes that a protocol writes, and whether it has ended the connection.

    If it `is_slow`, each write pauses the protocol's writing until a later turn of the loop.
    """

    def __init__(self, *, is_slow: bool = False) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.written = bytearray()
        self.has_ended = False
        self.protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self._is_slow = is_slow
        self._is_full = False
        self._is_reading = True
        self._inbox: list[bytes] = []

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set the protocol."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self.protocol

    def feed(self, data: bytes) -> None:
        """Pass bytes to the protocol, now or after it resumes reading."""
        self._inbox.append(data)
        self._deliver()

    def _deliver(self) -> None:
        while self._inbox and self._is_reading and not self.has_ended:
            if isinstance(self.protocol, asyncio.Protocol):
                self.protocol.data_received(self._inbox.pop(0))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Store bytes; those written after the end are lost, as on a socket."""
        if self.has_ended:
            return
        self.written += data
        if self._is_slow and not self._is_full:
            self._is_full = True
            self.protocol.pause_writing()
            asyncio.get_running_loop().call_soon(self._take)

    def _take(self) -> None:
        self._is_full = False
        if not self.has_ended:
            self.protocol.resume_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Store bytes."""
        for data in list_of_data:
            self.write(data)

    def can_write_eof(self) -> bool:
        """Return True, as a TCP transport does."""
        return True

    def write_eof(self) -> None:
        """End the connection."""
        self.has_ended = True

    def close(self) -> None:
        """End the connection."""
        self.has_ended = True

    def abort(self) -> None:
        """End the connection."""
        self.has_ended = True

    def is_closing(self) -> bool:
        """Return whether the connection has ended."""
        return self.has_ended

    def pause_reading(self) -> None:
        """Store further input."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Deliver stored input in a later turn of the loop."""
        self._is_reading = True
        asyncio.get_running_loop().call_soon(self._deliver)

    def is_reading(self) -> bool:
        """Return whether input is delivered immediately."""
        return self._is_reading

    def get_write_buffer_size(self) -> int:
        """Return 0: the send buffer is always empty."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the send buffer has no limits."""
