"""Sends files to sockets by `os.sendfile`: the bytes never enter this process.

uvloop has no `loop.sendfile`, and asyncio's sends to one client as long as it reads. Here all files
take turns: one piece each in a turn of the loop, so that polls are answered in between.
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
COST = 16 * 1024  # the cost, in bytes, of trying a client that takes nothing
# Unsent bytes that the kernel buffers for a client. With larger buffers the data has left the
# processor's cache before it is sent.
UNSENT = 256 * 1024
_EDGES = select.EPOLLOUT | select.EPOLLET


@dataclass(slots=True, eq=False)
class Sending:
    """The bytes of a file from `first` up to `end` on their way to a client, after `head`.

    The transport's buffer must be empty.
    """

    transport: asyncio.Transport
    twin: Twin
    head: bytes
    file: int
    first: int
    end: int
    is_lined_up: bool = False
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
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._wake)
        sending.twin.bound_unsent(UNSENT)
        self._epoll.register(sending.twin.fileno(), _EDGES)
        self._sendings[sending.twin.fileno()] = sending
        sending.twin.when_cut = sending.give_up
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

    def _leave(self, sending: Sending) -> None:
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
        socket, wanted = sending.twin.fileno(), min(PIECE, sending.left())
        try:
            while sending.head:
                sending.head = sending.head[os.write(socket, sending.head) :]
            sent = os.sendfile(socket, sending.file, sending.first, wanted)
        except BlockingIOError:
            sending.is_lined_up = False  # until the next edge
            return 0
        sending.first += sent
        if sending.first == sending.end:
            sending.over.set_result(None)
        elif sent == 0:
            raise StorageError("a blob is shorter than it was: run `hening-server check --deep`.")
        else:
            self._ready.append(sending)
        return sent
