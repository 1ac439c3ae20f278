"""A transport without a socket: what is written to it is kept, and it never pushes back."""

import asyncio
from collections.abc import Iterable


class MemoryTransport(asyncio.Transport):
    """Keeps all octets that a protocol writes, and whether it has ended the connection."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.written = bytearray()
        self.has_ended = False
        self.protocol: asyncio.BaseProtocol = asyncio.Protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection over."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return whose connection it is."""
        return self.protocol

    def feed(self, octets: bytes) -> None:
        """Receive octets, unless the connection has ended."""
        if not self.has_ended and isinstance(self.protocol, asyncio.Protocol):
            self.protocol.data_received(octets)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep octets; what is written after the end is lost, as it is on a socket."""
        if not self.has_ended:
            self.written += data

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Keep octets."""
        for data in list_of_data:
            self.write(data)

    def can_write_eof(self) -> bool:
        """Answer as a TCP socket does."""
        return True

    def write_eof(self) -> None:
        """End the connection: nothing more is sent."""
        self.has_ended = True

    def close(self) -> None:
        """End the connection."""
        self.has_ended = True

    def abort(self) -> None:
        """End the connection."""
        self.has_ended = True

    def is_closing(self) -> bool:
        """Answer whether it has ended."""
        return self.has_ended

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""

    def is_reading(self) -> bool:
        """Octets can always be fed."""
        return True

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There are none."""
