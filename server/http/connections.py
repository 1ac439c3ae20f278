"""The connection registry of a process: its open connections, their limits, and the date."""

import asyncio
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import Protocol

from server.http.counts import STATUSES
from server.http.heads import Remark
from server.http.plane import Plane
from server.http.requests import Reason
from server.http.turns import SLOW_ANSWER, Turns

HELD = 256 * 1024 * 1024  # bytes that a process may hold in memory for slow clients
WAITING_BYTES = 16_384  # unanswered bytes of a connection that waits for the fallback to aiohttp
TICK_SECONDS = 0.5  # resolution of the limits and of `Date`


class Connection(Protocol):
    """A connection on the fast path or in aiohttp.

    At `deadline`, on the loop's clock, it is cut because of `limit`, unless the client has taken at
    least `least` bytes since the last deadline. `last_unacknowledged` is the number of bytes that
    the client had not taken at that deadline, `buffered` the number of bytes in memory for it.
    After the last answer `limit` is empty, and the client may take nothing until `stalls`.
    """

    deadline: float
    stalls: float
    limit: str
    last_unacknowledged: int
    least: int
    buffered: int

    def unacknowledged(self) -> int:
        """Return the number of written bytes that the client has not taken yet."""

    def cut(self) -> None:
        """End the connection immediately."""

    def drain(self) -> None:
        """Make the next answer the last one."""


class FastConnection(Connection, Protocol):
    """A connection on the fast path, which can fall back to aiohttp."""

    def hand_to(self, take: Callable[[asyncio.Transport, bytes], None]) -> bool:
        """Pass the transport and its unanswered bytes to `take`; return False if it is closed."""


class Connections:
    """Registers the connections of a process, and cuts those whose deadline has passed.

    `fall_back` takes a transport and its unanswered bytes.
    """

    def __init__(
        self,
        plane: Plane,
        monotonic: Callable[[], float],
        fall_back: Callable[[asyncio.Transport, bytes], None],
    ) -> None:
        self.plane = plane
        self.answers = plane.counts.answers
        self.turns = Turns()
        self._fall_back = fall_back
        self._waiting: deque[FastConnection] = deque()
        self.is_draining = False
        self._held = 0  # bytes held in memory for all clients
        self._monotonic = monotonic
        self._fallbacks_left = 0
        self._connections: set[Connection] = set()
        self._left = asyncio.Event()
        self.tick()

    def tick(self) -> None:
        """Update the date and the deadlines, and cut connections whose deadline has passed."""
        self.plane.tick()
        now, limits = self._monotonic(), self.plane.limits
        self.until_head = now + limits.head_seconds
        self.until_idle = now + limits.idle_seconds
        self.until_stall = now + limits.stall_seconds
        self.until_linger = now + limits.linger_seconds
        date = formatdate(self.plane.clock(), usegmt=True)
        self.starts = {
            status.value: f"HTTP/1.1 {status} {status.phrase}\r\nDate: {date}\r\n".encode()
            for status in STATUSES
        }
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._expire(connection, now)
        self._fallbacks_left = int(limits.fallbacks * TICK_SECONDS)
        if self._waiting:
            self.turns.line_up(self._fall_back_next)

    def _expire(self, connection: Connection, now: float) -> None:
        """Cut a connection, unless its client has taken enough since the last deadline.

        After the last answer the next deadline is soon, because there is no callback when the send
        buffer drains.
        """
        unacknowledged = connection.unacknowledged()
        is_taking = (
            unacknowledged > 0
            and abs(connection.last_unacknowledged - unacknowledged) >= connection.least
        )
        if is_taking:
            connection.last_unacknowledged, connection.stalls = unacknowledged, self.until_stall
        if unacknowledged and not connection.limit and now < connection.stalls:
            connection.deadline = self.until_linger
        elif is_taking:
            connection.deadline, connection.limit = self.until_stall, "stall"
        else:
            if unacknowledged or connection.limit:
                self.plane.counts.cuts[connection.limit or "stall"] += 1
            connection.cut()

    def linger(self, connection: Connection) -> None:
        """Keep a connection shortly after the last answer, and longer while the client reads."""
        connection.deadline, connection.limit = self.until_linger, ""
        connection.stalls = self.until_stall

    def is_full(self) -> bool:
        """Return whether there are too many connections, and count it."""
        if len(self._connections) <= self.plane.limits.connections:
            return False
        self.plane.counts.cuts["full"] += 1
        return True

    def set_buffered(self, connection: Connection, size: int) -> None:
        """Record that `size` bytes are held for a client; above the total limit, cut it."""
        self._held += size - connection.buffered
        connection.buffered = size
        if self._held > HELD and size:
            self.plane.counts.cuts["full"] += 1
            connection.cut()

    def register(self, connection: Connection) -> None:
        """Register a connection."""
        self._connections.add(connection)
        self.plane.counts.connections = len(self._connections)

    def unregister(self, connection: Connection) -> None:
        """Unregister a connection."""
        self._connections.discard(connection)
        self._left.set()
        self.plane.counts.connections = len(self._connections)

    def drain(self) -> None:
        """Make the next answer of each connection its last."""
        self.is_draining = True
        for connection in list(self._connections):
            connection.drain()

    async def wait_empty(self) -> None:
        """Wait until no connection is left."""
        while self._connections:
            self._left.clear()
            await self._left.wait()

    def cut_all(self) -> None:
        """End every connection."""
        for connection in list(self._connections):
            connection.cut()

    def fall_back(self, connection: FastConnection, data: bytes) -> None:
        """Queue a connection for aiohttp; `data` are its unanswered bytes.

        Falling back to aiohttp is expensive and refusals use it, so it is rate-limited. Requests
        for packages have a separate limit of the same size, and a flood of refusals delays no poll.
        Connections that would wait more than 1 s are closed, and so are those with many unanswered
        bytes. A connection that closes meanwhile is noticed only in its turn, so the queue's length
        is limited.
        """
        limits = self.plane.limits
        reserve = limits.fallbacks * TICK_SECONDS if self.plane.is_for_package(data) else 0
        if self._fallbacks_left > -reserve and (reserve or not self._waiting):
            self._fallbacks_left -= 1
            connection.hand_to(self._fall_back)
        elif len(self._waiting) < limits.fallbacks and len(data) <= WAITING_BYTES:
            self._waiting.append(connection)
        else:
            self.plane.counts.cuts["full"] += 1
            connection.cut()

    def _fall_back_next(self) -> None:
        """Pass the longest waiting connection to aiohttp, and the others in later turns."""
        if self._waiting and self._fallbacks_left > 0:
            self.turns.spend(SLOW_ANSWER)
            self._fallbacks_left -= self._waiting.popleft().hand_to(self._fall_back)
            self.turns.line_up(self._fall_back_next)

    def count(self, remark: Remark) -> None:
        """Count a refusal, or unknown headers, of a request on the fast path."""
        if isinstance(remark, Reason):
            self.plane.counts.refusals[remark] += 1
        elif remark is not None:
            self.plane.counts.unknown_headers += 1
