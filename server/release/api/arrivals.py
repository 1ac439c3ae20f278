"""Connections that were accepted, in the order in which they are read: known tokens go first.

To read a request and to refuse it takes a millisecond, to accept its connection and to look for a
token a fiftieth of that. So a flood without a valid token waits here, and not a caller in it.
"""

import asyncio
import contextlib
import re
import socket
from collections import deque
from collections.abc import Callable

from server.release.errors import Share

AT_ONCE = 256  # connections that are accepted in a turn of the loop, in some milliseconds
PEEKED = 8192  # bytes of a head in which a token is looked for
RETRY_SECONDS = 0.05  # after a connection could not be accepted
_BEARER = re.compile(rb"\r\nauthorization:[ \t]*bearer ([!-~]{1,4096})\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"  # of a head
_ESTABLISHED = 1  # the state that TCP_INFO begins with; a client that closed is not in it


class Arrivals:
    """The connections of one listening socket that were accepted and not read from yet.

    Those with a known token go first, then those whose head is there, then those without a head,
    each by arrival. `is_known` answers for a token whether its caller may stop something. At most
    `limit` of the others wait; `count_limit` is called when the oldest of them gives way, which is
    sent `parting`.
    """

    def __init__(
        self,
        listener: socket.socket,
        is_known: Callable[[str], bool],
        limit: int,
        count_limit: Callable[[Share], None],
        parting: bytes,
    ) -> None:
        self._listener = listener
        self._is_known = is_known
        self._limit = limit
        self._count_limit = count_limit
        self._parting = parting
        self._known: deque[socket.socket] = deque()
        self._others: deque[socket.socket] = deque()
        self._silent: deque[socket.socket] = deque()

    async def take(self) -> socket.socket:
        """Return the next connection to read from; waits for one."""
        loop = asyncio.get_running_loop()
        while True:
            accepted = self._accept()
            for _ in range(min(AT_ONCE, len(self._silent))):  # their heads may be there by now
                self._sort(self._silent.popleft())
            for waiting in (self._known, self._others, self._silent):
                while waiting:
                    one = waiting.popleft()
                    if not is_gone(one):
                        return one
                    one.close()
            if accepted:  # the clients of all of them are gone
                await asyncio.sleep(0)
                continue
            try:
                one, _ = await loop.sock_accept(self._listener)
            except OSError:  # too many descriptors, or it is gone already
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._sort(one)

    def close(self) -> None:
        """End all connections that wait."""
        for one in (*self._known, *self._others, *self._silent):
            one.close()

    def _accept(self) -> int:
        """Accept what waits in the kernel, a number that does not hold up the loop."""
        for accepted in range(AT_ONCE):
            try:
                one, _ = self._listener.accept()
            except OSError:  # there is none, or there are too many descriptors
                return accepted
            self._sort(one)
        return AT_ONCE

    def _sort(self, one: socket.socket) -> None:
        one.setblocking(False)
        if is_gone(one):
            one.close()
            return
        head = peek(one)
        token = find_token(head)
        if token and self._is_known(token):
            self._known.append(one)
        elif token or _END in head or len(head) == PEEKED:
            self._others.append(one)
        else:
            self._silent.append(one)
        if len(self._others) + len(self._silent) > self._limit:
            self._part((self._others or self._silent).popleft())

    def _part(self, one: socket.socket) -> None:
        self._count_limit(Share.CONNECTIONS)
        with contextlib.suppress(OSError):
            one.recv(PEEKED)  # what is not read when it closes takes the answer along
            one.send(self._parting)
        one.close()


def peek(one: socket.socket) -> bytes:
    """Return what a client has sent so far, `PEEKED` bytes at most, and leave it there."""
    try:
        return one.recv(PEEKED, socket.MSG_PEEK)
    except OSError:  # nothing is there yet, or it was reset
        return b""


def find_token(head: bytes) -> str:
    """Return the bearer token of a request's head, as far as it is there; empty for none."""
    end = head.find(_END)
    found = _BEARER.search(head if end < 0 else head[: end + 2])
    return "" if found is None else found[1].decode()


def is_gone(one: socket.socket) -> bool:
    """Answer whether the client of an accepted TCP connection has closed it already.

    Clients that connect and close in a loop leave thousands of requests in the backlog. No client
    waits for their answers, and those that do wait stand behind them.
    """
    if one.family == socket.AF_UNIX:
        return False
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED
