"""Detects clients that stop reading, from the kernel's TCP counters, and cuts them off.

Writability is a weak signal: the kernel reports it when a third of the send buffer is free, which
takes a phone on a bad line minutes. The bytes that the client has acknowledged are exact.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from typing import Self

LOOK_SECONDS = 1.0  # between two looks at a client's progress
_ACKNOWLEDGED = struct.Struct("@120xQ")  # tcpi_bytes_acked of struct tcp_info, linux/tcp.h
_NOTSENT_LOWAT = 25  # TCP_NOTSENT_LOWAT of linux/tcp.h
_LINGER_NOT = struct.pack("ii", 1, 0)


class Twin:
    """A second descriptor of a connection's socket, for what asyncio refuses on the first."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Duplicate; raises ConnectionError when it is closed, OSError if no descriptor is left."""
        original = transport.get_extra_info("socket")
        if transport.is_closing() or original is None or original.fileno() < 0:
            raise ConnectionError("the connection was closed")
        self._transport = transport
        self._socket = socket.socket(
            original.family, original.type, original.proto, os.dup(original.fileno())
        )
        self.when_cut: Callable[[], None] = _nothing
        self._is_tcp = original.family in {socket.AF_INET, socket.AF_INET6}

    def __enter__(self) -> Self:
        """Return the twin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the twin; the connection itself is the transport's."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def bound_unsent(self, size: int) -> None:
        """Limit the unsent bytes that the kernel buffers to `size`."""
        if self._is_tcp:
            self._socket.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, size)

    def taken(self) -> int:
        """Return a number that changes when the client acknowledges bytes."""
        if self._is_tcp:
            size = _ACKNOWLEDGED.size
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
            return int(_ACKNOWLEDGED.unpack(info)[0])
        waiting = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
        return -int.from_bytes(waiting, "little")

    def cut(self) -> None:
        """Reset the connection when the twin is closed as well; the send buffer is discarded.

        `when_cut` notifies a task that waits to write to the twin.
        """
        with contextlib.suppress(OSError):  # it may be closed already
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.when_cut()
        self._transport.abort()


def untaken(transport: asyncio.Transport) -> int:
    """Return how many written bytes the client has not acknowledged, as far as known."""
    left = transport.get_write_buffer_size()
    own = transport.get_extra_info("socket")
    if own is not None and own.fileno() >= 0:
        with contextlib.suppress(OSError):
            waiting = fcntl.ioctl(own.fileno(), termios.TIOCOUTQ, bytes(4))
            left += int.from_bytes(waiting, "little")
    return left


class Patience:
    """Cuts a connection whose client takes nothing for `seconds` while the server waits for it.

    `tell` is called when that happens. A connection that other code closes is cut as well: the twin
    would keep it open.
    """

    def __init__(
        self, transport: asyncio.Transport, twin: Twin, seconds: float, tell: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._twin = twin
        self._seconds = seconds
        self._tell = tell
        self._handed = 0
        self._is_waiting = False
        self._state = (0, 0)  # bytes written and bytes taken at the last look
        self._since = 0.0
        self._schedule()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self._timer.cancel()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the client while the block runs, and not outside of it."""
        self._handed += 1
        self._is_waiting = True
        try:
            yield
        finally:
            self._is_waiting = False

    def _schedule(self) -> None:
        self._timer = self._loop.call_later(min(LOOK_SECONDS, self._seconds / 4), self._look)

    def _look(self) -> None:
        if self._transport.is_closing():
            self._twin.cut()
            return
        now, state = self._loop.time(), (self._handed, self._twin.taken())
        if not self._is_waiting or state != self._state:
            self._state, self._since = state, now
        elif now - self._since >= self._seconds:
            self._tell()
            self._twin.cut()
            return
        self._schedule()


def _nothing() -> None:
    """Do nothing."""
