"""Sends files to sockets by `os.sendfile`: the bytes never enter this process, except for TLS.

uvloop has no `loop.sendfile`, and asyncio's sends to one client as long as it reads. Here all files
take turns: one piece each in a turn of the loop, so that polls are answered in between. Over TLS a
piece is read and given to the transport, which encrypts it in memory.
"""

import asyncio
import os
import select
from collections import deque
from dataclasses import dataclass, field

from server.http.send_progress import Twin
from server.storage.errors import StorageError

TURN = 1024 * 1024  # bytes in one turn of the loop, for all clients: how long a poll waits
PIECE = 512 * 1024  # bytes of a turn for one client
TLS_PIECE = 64 * 1024  # of a turn for a client with TLS: it stays in the processor's cache
COST = 16 * 1024  # the cost, in bytes, of trying a client that takes nothing
# Unsent bytes that the kernel buffers for a client. With larger buffers the data has left the
# processor's cache before it is sent.
UNSENT = 256 * 1024
_EDGES = select.EPOLLOUT | select.EPOLLET


@dataclass(slots=True, eq=False)
class Sending:
    """The bytes of a file from `first` up to `end` on their way to a client, after `head`.

    Without TLS the transport's buffer must be empty. With it, `is_paused` says that the client does
    not take what was written.
    """

    transport: asyncio.Transport
    twin: Twin
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

    def left(self) -> int:
        """Return how many bytes of the file the kernel has not taken yet."""
        return self.end - self.first


class FileSender:
    """Sends the files of one process; all calls belong to one loop.

    Sockets whose buffer is full are watched together by one epoll, which the loop watches: a loop's
    `add_writer` would need several system calls each time.
    """

    def __init__(self) -> None:
        self._sendings: dict[int, Sending] = {}
        self._ready: deque[Sending] = deque()
        self._is_turning = False
        self._epoll: select.epoll | None = None

    def begin(self, sending: Sending) -> None:
        """Begin to send in the next turn of the loop; call `finish` immediately afterwards.

        Raises OSError where no descriptor is left; nothing is sent then.
        """
        if sending.is_tls:
            # The least: 0 lets a TLS transport wait for ever. It may pause at once.
            sending.transport.set_write_buffer_limits(high=1)
            sending.is_paused = sending.transport.get_write_buffer_size() > 0
        else:
            self._watch(sending)
        sending.twin.bound_unsent(UNSENT)
        sending.twin.when_cut = sending.give_up
        self._line_up(sending)

    def resume(self, sending: Sending) -> None:
        """Continue over TLS, after the client has taken what was written."""
        sending.is_paused = False
        self._line_up(sending)

    async def finish(self, sending: Sending) -> None:
        """Send to the end.

        Raises ConnectionError once the client is gone or the transport closing, OSError where the
        file cannot be read, and StorageError when it is shorter than expected. In each case part of
        it may have been sent.
        """
        try:
            await sending.over
        finally:
            sending.over.cancel()  # references that still hold it skip it
            self._leave(sending)

    def _watch(self, sending: Sending) -> None:
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._wake)
        self._epoll.register(sending.twin.fileno(), _EDGES)
        self._sendings[sending.twin.fileno()] = sending

    def _leave(self, sending: Sending) -> None:
        if sending.is_tls:
            if not sending.transport.is_closing():
                sending.transport.set_write_buffer_limits()
            return
        del self._sendings[sending.twin.fileno()]
        if self._epoll is None:
            return
        if self._sendings:
            self._epoll.unregister(sending.twin.fileno())
        else:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _wake(self) -> None:
        """Queue the sockets that are writable again, or report an error."""
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
        left = TURN
        while left > 0 and self._ready:
            left -= COST
            sending = self._ready.popleft()
            if not sending.over.done():
                try:
                    left -= self._send_piece(sending)
                except Exception as error:  # noqa: BLE001 - it must not hold up the others
                    sending.over.set_exception(error)
        self._is_turning = bool(self._ready)
        if self._is_turning:
            asyncio.get_running_loop().call_soon(self._turn)

    def _send_piece(self, sending: Sending) -> int:
        if sending.transport.is_closing():
            raise ConnectionError("the connection was closed")
        if sending.is_tls:
            return self._encrypt_piece(sending)
        socket, wanted = sending.twin.fileno(), min(PIECE, sending.left())
        try:
            while sending.head:
                sending.head = sending.head[os.write(socket, sending.head) :]
            sent = os.sendfile(socket, sending.file, sending.first, wanted)
        except BlockingIOError:
            sending.is_lined_up = False  # until the next edge
            return 0
        return self._advance(sending, sent)

    def _encrypt_piece(self, sending: Sending) -> int:
        if sending.is_paused:
            sending.is_lined_up = False  # until `resume`
            return 0
        wanted = min(TLS_PIECE, sending.left())
        data = os.pread(sending.file, wanted, sending.first)
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
