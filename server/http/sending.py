"""Sends files to sockets by `os.sendfile`: the bytes never enter this process, except for TLS.

uvloop has no `loop.sendfile`, and asyncio's sends to one client as long as that client reads. Here
all files take turns: each sends one piece in a turn of the loop, so that polls are answered in
between. With TLS each piece is read and written to the transport, which encrypts it in memory.

Clients that stop reading are detected by the kernel's TCP counters, and cut. Writability is a weak
signal: the kernel reports it when a third of the send buffer is free, which can take minutes for a
phone on a bad line. The number of bytes that the client has acknowledged is exact.
"""

import asyncio
import contextlib
import fcntl
import os
import select
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

from server.storage.errors import StorageError

LOOK_SECONDS = 1.0  # between two checks of a client's progress
_ACKNOWLEDGED = struct.Struct("@120xQ")  # tcpi_bytes_acked of struct tcp_info, linux/tcp.h
_NOTSENT_LOWAT = 25  # TCP_NOTSENT_LOWAT of linux/tcp.h
_LINGER_NOT = struct.pack("ii", 1, 0)
TURN = 1024 * 1024  # bytes in one turn of the loop, for all clients; polls wait for a turn
PIECE = 512 * 1024  # bytes of a turn for one client
TLS_PIECE = 64 * 1024  # the same with TLS; a piece of this size stays in the processor's cache
COST = 16 * 1024  # the cost of trying a client that takes nothing, in bytes
# Unsent bytes that the kernel buffers for a client. In a larger buffer the data would leave the
# processor's cache before it is sent.
UNSENT = 256 * 1024
_EDGES = select.EPOLLOUT | select.EPOLLET


class DuplicateSocket:
    """A second descriptor of a connection's socket, for calls that asyncio refuses on the first."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Duplicate the descriptor.

        Raises ConnectionError if the connection is closed, OSError if no descriptor is left.
        """
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
        """Return the duplicate."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the duplicate, but not the connection, which belongs to the transport."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def bound_unsent(self, size: int) -> None:
        """Limit the kernel's buffer of unsent bytes to `size`."""
        if self._is_tcp:
            self._socket.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, size)

    def taken(self) -> int:
        """Return a number that changes whenever the client acknowledges bytes."""
        if self._is_tcp:
            size = _ACKNOWLEDGED.size
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
            return int(_ACKNOWLEDGED.unpack(info)[0])
        waiting = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
        return -int.from_bytes(waiting, "little")

    def cut(self) -> None:
        """Abort the connection; it is reset, without its send buffer, when the duplicate is closed.

        `when_cut` notifies a task that waits to write to the duplicate.
        """
        with contextlib.suppress(OSError):  # it may be closed already
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.when_cut()
        self._transport.abort()


def unacknowledged(transport: asyncio.Transport) -> int:
    """Return the number of written bytes that the client has not acknowledged, as far as known."""
    size = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        with contextlib.suppress(OSError):
            waiting = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
            size += int.from_bytes(waiting, "little")
    return size


class StallTimer:
    """Cuts a connection whose client takes nothing for `seconds` while the server waits for it.

    `tell` is called then. If other code closes the connection, it is cut as well, because the
    duplicate would keep it open.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        duplicate: DuplicateSocket,
        seconds: float,
        tell: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._duplicate = duplicate
        self._seconds = seconds
        self._tell = tell
        self._handed = 0
        self._is_waiting = False
        self._state = (0, 0)  # writes begun and bytes taken, at the last check
        self._since = 0.0
        self._schedule()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the checks."""
        self._timer.cancel()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the client only while the block runs."""
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
            self._duplicate.cut()
            return
        now, state = self._loop.time(), (self._handed, self._duplicate.taken())
        if not self._is_waiting or state != self._state:
            self._state, self._since = state, now
        elif now - self._since >= self._seconds:
            self._tell()
            self._duplicate.cut()
            return
        self._schedule()


def _nothing() -> None:
    """Do nothing."""


@dataclass(slots=True, eq=False)
class Sending:
    """The bytes of a file from `first` up to `end` on their way to a client, after `head`.

    Without TLS the transport's buffer must be empty. With TLS `is_paused` says that the client does
    not take the written bytes.
    """

    transport: asyncio.Transport
    duplicate: DuplicateSocket
    head: bytes
    file: int
    first: int
    end: int
    is_tls: bool
    is_lined_up: bool = False
    is_paused: bool = False
    over: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def give_up(self) -> None:
        """End the sending early."""
        if not self.over.done():
            self.over.set_exception(ConnectionError("the connection was cut"))

    def remaining(self) -> int:
        """Return the number of the file's bytes that the kernel has not taken yet."""
        return self.end - self.first


class FileSender:
    """Sends the files of one process; all calls belong to one loop.

    One epoll watches all sockets, and the loop watches that epoll, because a loop's `add_writer`
    needs several system calls each time that a socket's buffer is full.
    """

    def __init__(self) -> None:
        self._sendings: dict[int, Sending] = {}
        self._ready: deque[Sending] = deque()
        self._is_turning = False
        self._epoll: select.epoll | None = None

    def begin(self, sending: Sending) -> None:
        """Begin to send in the next turn of the loop; call `finish` immediately afterwards.

        Raises OSError, and sends nothing, if no descriptor is left.
        """
        if sending.is_tls:
            # The minimum, because with 0 a TLS transport never resumes. It may pause immediately.
            sending.transport.set_write_buffer_limits(high=1)
            sending.is_paused = sending.transport.get_write_buffer_size() > 0
        else:
            self._watch(sending)
        sending.duplicate.bound_unsent(UNSENT)
        sending.duplicate.when_cut = sending.give_up
        self._line_up(sending)

    def resume(self, sending: Sending) -> None:
        """Continue over TLS after the client has taken the written bytes."""
        sending.is_paused = False
        self._line_up(sending)

    async def finish(self, sending: Sending) -> None:
        """Wait until all is sent.

        Raises ConnectionError if the client is gone or the transport is closing, OSError if the
        file cannot be read, and StorageError if it is shorter than expected. In each case part of
        it may have been sent.
        """
        try:
            await sending.over
        finally:
            sending.over.cancel()  # queues that still have it skip it
            self._leave(sending)

    def _watch(self, sending: Sending) -> None:
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._wake)
        self._epoll.register(sending.duplicate.fileno(), _EDGES)
        self._sendings[sending.duplicate.fileno()] = sending

    def _leave(self, sending: Sending) -> None:
        if sending.is_tls:
            if not sending.transport.is_closing():
                sending.transport.set_write_buffer_limits()
            return
        del self._sendings[sending.duplicate.fileno()]
        if self._epoll is None:
            return
        if self._sendings:
            self._epoll.unregister(sending.duplicate.fileno())
        else:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _wake(self) -> None:
        """Queue the sockets that are writable again or have an error."""
        if self._epoll is not None:
            for socket, _ in self._epoll.poll(0):
                self._line_up(self._sendings[socket])

    def _line_up(self, sending: Sending) -> None:
        if sending.is_lined_up:
            return
        sending.is_lined_up = True
        self._ready.append(sending)
        if not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        budget = TURN
        while budget > 0 and self._ready:
            budget -= COST
            sending = self._ready.popleft()
            if not sending.over.done():
                try:
                    budget -= self._send_piece(sending)
                except Exception as error:  # noqa: BLE001 - it must not stop the others
                    sending.over.set_exception(error)
        self._is_turning = bool(self._ready)
        if self._is_turning:
            asyncio.get_running_loop().call_soon(self._turn)

    def _send_piece(self, sending: Sending) -> int:
        if sending.transport.is_closing():
            raise ConnectionError("the connection was closed")
        if sending.is_tls:
            return self._encrypt_piece(sending)
        socket, size = sending.duplicate.fileno(), min(PIECE, sending.remaining())
        try:
            while sending.head:
                sending.head = sending.head[os.write(socket, sending.head) :]
            sent = os.sendfile(socket, sending.file, sending.first, size)
        except BlockingIOError:
            sending.is_lined_up = False  # until the next edge
            return 0
        return self._advance(sending, sent)

    def _encrypt_piece(self, sending: Sending) -> int:
        if sending.is_paused:
            sending.is_lined_up = False  # until `resume`
            return 0
        size = min(TLS_PIECE, sending.remaining())
        data = os.pread(sending.file, size, sending.first)
        sending.transport.write(sending.head + data if sending.head else data)
        sending.head = b""
        return self._advance(sending, len(data))

    def _advance(self, sending: Sending, sent: int) -> int:
        sending.first += sent
        if sending.first == sending.end:
            sending.over.set_result(None)
        elif sent == 0:
            raise StorageError("a blob is shorter than it was: run `hening-server check --deep`.")
        else:
            self._ready.append(sending)
        return sent
