"""Sends a file to a socket by `os.sendfile`: the octets never enter this process.

uvloop has no `loop.sendfile`, and asyncio's waits for one client at a time. Here all files that are
on their way take turns: a piece each, a few pieces in a turn of the loop, so that polls are
answered in between however many clients could take more.
"""

import asyncio
import os
from collections import deque
from dataclasses import dataclass

from server.device.taking import Twin
from server.storage.errors import StorageError

PIECE = 256 * 1024  # octets that one client is sent before it is the next one's turn
PIECES = 4  # pieces in one turn of the loop: about 0.2 ms, which is what a poll waits for them


@dataclass(slots=True, eq=False)
class _Sending:
    """A file on its way: what is left of it, and the future that its end resolves."""

    transport: asyncio.Transport
    socket: int
    file: int
    first: int
    end: int
    over: "asyncio.Future[None]"

    def give_up(self) -> None:
        """Let it end without having come to its end."""
        if not self.over.done():
            self.over.set_exception(ConnectionError("the connection was cut"))


class FileSender:
    """Sends the files of one process; all calls belong to one loop."""

    def __init__(self) -> None:
        self._ready: deque[_Sending] = deque()
        self._is_turning = False

    async def send(
        self, transport: asyncio.Transport, twin: Twin, file: int, first: int, end: int
    ) -> None:
        """Send the octets from `first` up to `end` of an open file; the transport is empty.

        Raises ConnectionError once the client is gone or the transport closing, OSError where the
        file cannot be read, and StorageError when it turns out to be shorter. In each case part of
        it may have been sent.
        """
        loop = asyncio.get_running_loop()
        sending = _Sending(transport, twin.fileno(), file, first, end, loop.create_future())
        twin.when_cut = sending.give_up
        self._line_up(sending)
        try:
            await sending.over
        finally:
            sending.over.cancel()  # whatever still holds it passes over it
            loop.remove_writer(sending.socket)

    def _line_up(self, sending: _Sending) -> None:
        self._ready.append(sending)
        if not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        for _ in range(PIECES):
            if not self._ready:
                break
            sending = self._ready.popleft()
            if sending.over.done():
                continue
            try:
                self._send_piece(sending)
            except Exception as error:  # noqa: BLE001 - one that fails must not hold up the others
                sending.over.set_exception(error)
        self._is_turning = bool(self._ready)
        if self._is_turning:
            asyncio.get_running_loop().call_soon(self._turn)

    def _send_piece(self, sending: _Sending) -> None:
        if sending.transport.is_closing():
            raise ConnectionError("the connection was closed")
        wanted = min(PIECE, sending.end - sending.first)
        try:
            sent = os.sendfile(sending.socket, sending.file, sending.first, wanted)
        except BlockingIOError:
            self._wait(sending)
            return
        sending.first += sent
        if sending.first == sending.end:
            sending.over.set_result(None)
        elif sent == 0:
            raise StorageError("a blob is shorter than it was: run `hening-server check --deep`.")
        elif sent < wanted:
            self._wait(sending)
        else:
            self._ready.append(sending)

    def _wait(self, sending: _Sending) -> None:
        asyncio.get_running_loop().add_writer(sending.socket, self._go_on, sending)

    def _go_on(self, sending: _Sending) -> None:
        asyncio.get_running_loop().remove_writer(sending.socket)
        self._line_up(sending)
