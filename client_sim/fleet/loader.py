"""A load generator on raw sockets: sends requests and receives answers on many connections.

Fleets, benchmarks and soak runs use it. A `Loader` only moves bytes: it calls an `Exchange` for
each complete answer, and the exchange sends the next request. Requests are nodes of a tree
(`answer_tree`).
"""

import errno
import select
import socket
import ssl
import struct
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Protocol

from client_sim.device.internet import make_tls_context
from client_sim.fleet.answer_tree import Node
from client_sim.fleet.answers import Answer, AnswerFault, Head, cut_answers, find_head
from client_sim.fleet.tally import Failure
from client_sim.fleet.target import Target

TIMEOUT: Final = 30.0  # seconds of real time after which an exchange gives up

BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""Errors of a connection that is not ready yet."""

_NO_PORT_YET: Final = 24  # IP_BIND_ADDRESS_NO_PORT: connect chooses the port by the 4-tuple
_SOURCES: Final = 64  # loopback addresses; each has its own ports
_KIND: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_CONNECTING: Final = {0, errno.EINPROGRESS}
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
_IN, _BOTH = select.EPOLLIN, select.EPOLLIN | select.EPOLLOUT

Wire = socket.SocketType
"""The C socket class; Python's wrapper around it would cost as much as a system call."""


class Dialler:
    """Opens connections to `target`; on loopback it uses many source addresses in turn.

    A closed connection blocks its port for a minute, and an address has only 28,000 ports. So
    clients on loopback use the addresses from 127.0.0.2 on.
    """

    def __init__(self, target: Target) -> None:
        self._address = (target.address, target.port)
        self._family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        self._turns = 0 if target.address.startswith("127.") else None
        self._host = target.host
        self._context = make_tls_context(target.authority) if target.tls else None

    def dial(self) -> Wire:
        """Begin a connection; raises OSError if it fails immediately."""
        wire = self._make()
        result = wire.connect_ex(self._address)
        if result not in _CONNECTING:
            wire.close()
            raise OSError(result, "no connection")
        return wire

    def _make(self) -> Wire:
        if self._context is not None:
            plain = socket.socket(self._family, _KIND)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as phones do
            return self._context.wrap_socket(
                plain, server_hostname=self._host, do_handshake_on_connect=False
            )
        wire = socket.SocketType(self._family, _KIND)
        if self._turns is not None:
            self._turns += 1
            wire.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
            wire.bind((f"127.0.0.{2 + self._turns % _SOURCES}", 0))
        return wire


class Body(Protocol):
    """Receives the body of an answer piece by piece; `left` is the number of missing bytes."""

    left: int

    def begin(self, head: Head) -> str:
        """Return the reason why `head` does not fit the body, or an empty text."""

    def add(self, data: bytes) -> None:
        """Add the bytes that came with the head; raises ValueError if they are too many."""

    def receive(self, wire: Wire) -> int:
        """Receive once, and return the number of bytes, 0 at the end of the connection.

        Raises ValueError if they are too many.
        """


class Exchange(ABC):
    """A client's requests over one connection, one after the other; the methods are callbacks.

    `wire` is the connection, `number` its descriptor, `node` the last request, `sent_at` the time
    of sending by the loader's clock, `phone` the client's number. `unsent` are the bytes that could
    not be sent yet. `matched` counts received bytes that equal the last answers of the node; once
    they differ, `buffer` has all received bytes instead. `body` receives the body of the next
    answer, if set. `is_plain` says that `unsent`, `matched`, `buffer` and `body` are not in use.
    """

    __slots__ = (
        *("body", "buffer", "in_body", "is_plain", "matched", "node", "number", "phone", "sent_at"),
        *("unsent", "wire"),
    )

    def __init__(self) -> None:
        self.phone = 0
        self.node: Node | None = None
        self.wire: Wire | None = None
        self.number = 0
        self.sent_at = 0.0
        self.body: Body | None
        self.forget()

    def forget(self) -> None:
        """Drop the remaining bytes of a request and its answers."""
        self.unsent = self.buffer = b""
        self.matched = 0
        self.body, self.in_body = None, False
        self.is_plain = True

    @abstractmethod
    def again(self) -> None:
        """Continue after answers that equal, byte for byte, the last ones at the node."""

    @abstractmethod
    def answer(self, answers: list[Answer]) -> None:
        """Continue after other answers; their number is the node's `count`."""

    @abstractmethod
    def finish_body(self) -> None:
        """Continue after the last byte of `body`."""

    def hang_up(self, detail: str) -> None:
        """Continue after the server has ended the connection.

        `detail` says how much of an answer came before, or is empty.
        """
        self.end_early(Failure.BROKEN, detail)

    @abstractmethod
    def end_early(self, why: Failure, detail: str = "") -> None:
        """Continue without an answer, and close the connection."""


class Traffic(Protocol):
    """Counts opened connections and received bytes."""

    connections: int
    received: int


class Loader:
    """Sends requests of exchanges over at most `limit` concurrent connections of `dialler`.

    Answers that equal the last ones at the same node are neither parsed nor hashed. With `keep`,
    connections are reused after a successful exchange. An exchange ends early after `timeout`
    seconds without a complete answer.
    """

    def __init__(
        self,
        dialler: Dialler,
        traffic: Traffic,
        *,
        limit: int,
        keep: bool = False,
        clock: Callable[[], float] = time.perf_counter,
        timeout: float = TIMEOUT,
    ) -> None:
        self._dialler = dialler
        self._traffic = traffic
        self._limit = limit
        self._keep = keep
        self._clock = clock
        self._epoll = select.epoll()
        self._waiting: deque[tuple[Exchange, Node]] = deque()
        self._open: dict[int, Exchange] = {}
        self._idle: OrderedDict[int, Wire] = OrderedDict()
        self.timeout = timeout
        self.now = clock()
        self._next_timeout_check = self.now + timeout

    @property
    def under_way(self) -> int:
        """The number of exchanges that have a connection or wait for one."""
        return len(self._open) + len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether an exchange that begins now has to wait for a connection."""
        return self.under_way >= self._limit

    @property
    def keeps_connections(self) -> bool:
        """Whether connections are reused."""
        return self._keep

    @property
    def has_idle(self) -> bool:
        """Whether there is an idle connection."""
        return bool(self._idle)

    def fileno(self) -> int:
        """Return a descriptor that is readable when `process` has something to do."""
        return self._epoll.fileno()

    def watch(self, number: int) -> None:
        """Make `process` return when the descriptor `number`, not a connection, is readable."""
        self._epoll.register(number, _IN)

    def process(self, seconds: float) -> None:
        """Process received data, waiting for at most `seconds` for it."""
        while self._waiting and len(self._open) < self._limit:
            self.send(*self._waiting.popleft())
        exchanges, received = self._open, 0
        events = self._epoll.poll(seconds)
        self.now = self._clock()
        for number, _ in events:
            exchange = exchanges.get(number)
            if exchange is None:
                self._forget_idle(number)
                continue
            node, wire = exchange.node, exchange.wire
            if not exchange.is_plain or node is None or wire is None:
                self._take_slowly(exchange)
                continue
            try:
                # `recv` allocates the requested size; nearly every answer equals the previous one.
                data = wire.recv(node.receive_size)
            except BLOCKED:
                continue
            except OSError as error:
                exchange.end_early(Failure.BROKEN, str(error))
                continue
            # Both may be empty: `node.last` at first, `data` of a closed connection.
            if data and data == node.last:
                received += len(data)
                exchange.again()
            else:
                self._take(exchange, node, data)
        self._traffic.received += received
        if self.now > self._next_timeout_check:
            self._end_overdue()

    def send(self, exchange: Exchange, node: Node) -> None:
        """Send a request and count it; open a connection if the exchange has none."""
        exchange.node = node
        if exchange.wire is None and len(self._open) >= self._limit:
            # Several polls that were sent in one packet may continue at the same time.
            self._waiting.append((exchange, node))
            return
        wire = exchange.wire or self.connect(exchange)
        if wire is None:
            exchange.end_early(Failure.UNREACHABLE)
            return
        exchange.sent_at = self._clock()
        data = node.data
        if exchange.unsent:  # the answer came before the whole request was sent
            exchange.unsent += data
            return
        exchange.is_plain = exchange.body is None
        if not data:
            return
        try:
            sent = wire.send(data)
        except BLOCKED:
            sent = 0
        except ConnectionRefusedError:
            exchange.end_early(Failure.UNREACHABLE)
            return
        except OSError as error:
            exchange.end_early(Failure.BROKEN, f"not sent: {error}")
            return
        if sent == len(data):
            node.note(exchange.phone)
        else:
            exchange.unsent, exchange.is_plain = data[sent:], False
            self._epoll.modify(exchange.number, _BOTH)

    def send_part(self, exchange: Exchange, data: bytes) -> None:
        """Send bytes that are not a request; bytes that cannot be sent now are dropped."""
        assert exchange.wire is not None
        try:
            exchange.wire.send(data)
        except BLOCKED:
            return
        except OSError as error:
            exchange.end_early(Failure.BROKEN, f"not sent: {error}")

    def close(self, exchange: Exchange, *, is_good: bool) -> None:
        """Release the connection: keep it if `is_good` and the loader keeps them, else close it."""
        wire, exchange.wire = exchange.wire, None
        if not exchange.is_plain:
            exchange.forget()
        if wire is None:
            return
        number = exchange.number
        del self._open[number]
        if self._keep and is_good:
            self._idle[number] = wire
        else:
            wire.close()

    def reset(self, exchange: Exchange) -> None:
        """End the connection with a TCP reset."""
        if exchange.wire is not None:
            exchange.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close(exchange, is_good=False)

    def close_idle(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._forget_idle(next(iter(self._idle)))

    def close_all(self) -> None:
        """Close every connection without calling the exchanges."""
        for exchange in list(self._open.values()):
            self.close(exchange, is_good=False)
        self.close_idle()
        self._waiting.clear()
        self._epoll.close()

    def connect(self, exchange: Exchange) -> Wire | None:
        """Assign an idle or new connection to the exchange; return None if there is none."""
        if self._idle:
            number, wire = self._idle.popitem(last=False)  # the oldest, so none is idle for long
        else:
            try:
                wire = self._dialler.dial()
            except OSError:
                return None
            number = wire.fileno()
            self._epoll.register(number, _IN)
            self._traffic.connections += 1
        exchange.wire, exchange.number = wire, number
        self._open[number] = exchange
        return wire

    def _send_unsent(self, exchange: Exchange, node: Node, wire: Wire) -> bool:
        """Send unsent bytes; return whether there may be an answer to receive."""
        try:
            sent = wire.send(exchange.unsent)
        except ssl.SSLWantReadError:  # the handshake
            self._epoll.modify(exchange.number, _IN)
            return False
        except BLOCKED:
            self._epoll.modify(exchange.number, _BOTH)
            return True
        except OSError as error:
            is_new = len(exchange.unsent) == len(node.data)
            exchange.end_early(Failure.UNREACHABLE if is_new else Failure.BROKEN, str(error))
            return False
        exchange.unsent = exchange.unsent[sent:]
        if not exchange.unsent:
            node.note(exchange.phone)
            exchange.is_plain = exchange.body is None and not (exchange.matched or exchange.buffer)
            self._epoll.modify(exchange.number, _IN)
        return True

    def _take_slowly(self, exchange: Exchange) -> None:
        """Continue an exchange that is not `is_plain`."""
        node, wire, body = exchange.node, exchange.wire, exchange.body
        assert node is not None
        assert wire is not None
        if exchange.unsent and not self._send_unsent(exchange, node, wire):
            return
        try:
            if body is not None and exchange.in_body:
                self._take_body(exchange, body, body.receive(wire))
                return
            data = wire.recv(node.receive_size)
        except BLOCKED:
            return
        except OSError as error:
            exchange.end_early(Failure.BROKEN, str(error))
        except ValueError as error:
            exchange.end_early(Failure.HTTP, str(error))
        else:
            self._take(exchange, node, data)

    def _take(self, exchange: Exchange, node: Node, data: bytes) -> None:
        """Compare received data with the last answers; if they differ, collect and split it."""
        self._traffic.received += len(data)
        if not data:
            size = exchange.matched + len(exchange.buffer)
            name = "an answer" if node.count == 1 else "answers"
            detail = f"after {size} bytes of {name}" if size else ""
            exchange.hang_up(detail)
            return
        if not exchange.buffer:
            matched = exchange.matched
            if node.last.startswith(data, matched):
                matched += len(data)
                if matched < len(node.last):
                    exchange.matched, exchange.is_plain = matched, False
                    return
                exchange.matched, exchange.is_plain = 0, not exchange.unsent
                exchange.again()
                return
            data, exchange.matched = node.last[:matched] + data, 0
        self._assemble(exchange, node, exchange.buffer + data)

    def _assemble(self, exchange: Exchange, node: Node, data: bytes) -> None:
        exchange.buffer, exchange.is_plain = data, False
        if not node.count:  # any bytes, until the end of the connection
            return
        try:
            if exchange.body is not None:
                found = find_head(data)
                if found is not None:
                    self._begin_body(exchange, exchange.body, found[0], data[found[1] :])
                return
            answers = cut_answers(data, node.count)
        except AnswerFault as fault:
            exchange.end_early(Failure.HTTP, str(fault))
            return
        if answers is not None:
            exchange.buffer, exchange.is_plain = b"", not exchange.unsent
            exchange.answer(answers)

    def _begin_body(self, exchange: Exchange, body: Body, head: Head, begun: bytes) -> None:
        fault = body.begin(head)
        if not fault:
            try:
                body.add(begun)
            except ValueError as error:
                fault = str(error)
        if fault:
            exchange.end_early(Failure.HTTP, fault)
            return
        exchange.buffer, exchange.in_body = b"", True
        if not body.left:
            self._end_body(exchange)

    def _take_body(self, exchange: Exchange, body: Body, count: int) -> None:
        self._traffic.received += count
        if not count:
            exchange.hang_up("")
        elif not body.left:
            self._end_body(exchange)

    def _end_body(self, exchange: Exchange) -> None:
        exchange.in_body, exchange.body, exchange.is_plain = False, None, not exchange.unsent
        exchange.finish_body()

    def _forget_idle(self, number: int) -> None:
        wire = self._idle.pop(number, None)
        if wire is not None:
            wire.close()

    def _end_overdue(self) -> None:
        """End exchanges that have waited too long; called rarely, as it checks all of them."""
        now = self._clock()
        self._next_timeout_check = now + self.timeout / 10
        oldest = now - self.timeout
        for exchange in [each for each in self._open.values() if each.sent_at < oldest]:
            node, size = exchange.node, exchange.matched + len(exchange.buffer)
            name = "the answer" if node is None or node.count == 1 else "the answers"
            exchange.end_early(Failure.SLOW, f"{size} bytes of {name} came")
