"""TLS over accepted sockets, with few steps for each connection.

A phone makes a connection for each poll, so that most of what the server does for it is a handshake
(ADR 90). The loop's own TLS makes two transports, a protocol and two timers for each connection and
passes its bytes through all of them. Here one transport reads the socket, lets OpenSSL work in
memory and writes the result; limits are those of its protocol.
"""

import asyncio
import enum
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

READ = 16_384  # bytes at once: a TLS record at most
PIECE = 65_536  # bytes that are encrypted at once: they stay in the processor's cache
HIGH = 65_536  # bytes that may wait for a client before its protocol is paused
# After the server's `close_notify` the client has this long to end the connection.
END_SECONDS = 30.0

Data = bytes | bytearray | memoryview
Create = Callable[[asyncio.Transport], asyncio.Protocol]


_NO_PROTOCOL = asyncio.BaseProtocol()


class State(enum.Enum):
    """What a connection is doing."""

    SHAKING_HANDS = "its handshake"
    OPEN = "reading and writing"
    FLUSHING = "writing what waits; nothing is read"
    ENDING = "waiting for the client to end it, after `close_notify`; input is discarded"
    CLOSED = "nothing more"

    __hash__ = object.__hash__


class TlsTransport(asyncio.Transport):
    """The server's side of one connection, from its handshake on.

    What a client does not take waits as it was given; one piece of it is encrypted at a time. So
    a document that many clients wait for is in memory once.
    """

    __slots__ = (
        "_address",
        "_context",
        "_end",
        "_has_ended",
        "_high",
        "_incoming",
        "_is_paused",
        "_is_reading",
        "_loop",
        "_low",
        "_outgoing",
        "_protocol",
        "_socket",
        "_state",
        "_tls",
        "_unsent",
        "_waiting",
        "_waiting_size",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        accepted: socket.socket,
        address: object,
        context: ssl.SSLContext,
        create: Create,
    ) -> None:
        self._loop = loop
        self._socket = accepted
        self._address = address
        self._context = context
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._state = State.SHAKING_HANDS
        self._has_ended = False  # the client writes no more
        self._end: asyncio.TimerHandle | None = None
        self._unsent = b""  # encrypted; the kernel did not take it yet
        self._waiting: deque[memoryview] | None = None  # to be encrypted behind it
        self._waiting_size = 0
        self._high, self._low = HIGH, HIGH // 4
        self._is_paused = False  # the protocol was told to write no more
        self._is_reading = True
        accepted.setblocking(False)
        self._protocol: asyncio.BaseProtocol = create(self)
        loop.add_reader(accepted.fileno(), self._receive)

    # Input

    def _receive(self) -> None:
        try:
            data = self._socket.recv(READ)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        try:
            if self._state is State.ENDING:
                if not data:
                    self._lose(None)
            elif data:
                self._incoming.write(data)
                self._go_on()
            else:
                self._take_end()
        except Exception as error:  # noqa: BLE001 - of the protocol, whose connection ends
            self._fail(error)

    def _go_on(self) -> None:
        """Continue with what was received: the handshake, and then what the client wrote."""
        if self._state is State.SHAKING_HANDS:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_encrypted()
                return
            except ssl.SSLError as error:
                self._send_encrypted()  # an alert, which says why
                self._lose(error)
                return
            self._state = State.OPEN
            self._send_encrypted()
            self._protocol.connection_made(self)
            if not self._incoming.pending:  # the client's part of the handshake came alone
                return
        self._read()

    def _read(self) -> None:
        while self._state is State.OPEN and self._is_reading:
            try:
                data = self._tls.read(READ)
            except ssl.SSLWantReadError:  # a record is incomplete, or was not data
                self._send_encrypted()
                return
            except ssl.SSLError as error:
                self._send_encrypted()
                self._lose(error)
                return
            if not data:  # `close_notify`
                self._take_end()
                return
            self._protocol.data_received(data)  # type: ignore[attr-defined] # a Protocol
            if not self._incoming.pending and not self._tls.pending():
                return

    def _read_rest(self) -> None:
        """Read what came before a pause."""
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _take_end(self) -> None:
        """Tell the protocol that the client writes no more, and close."""
        self._has_ended = True
        if self._state is State.SHAKING_HANDS:
            self._lose(None)
            return
        self._protocol.eof_received()  # type: ignore[attr-defined] # a Protocol
        if self._state is State.OPEN:
            self.close()

    def is_reading(self) -> bool:
        """Answer whether the protocol gets what is received."""
        return self._is_reading and not self.is_closing()

    def pause_reading(self) -> None:
        """Give the protocol no data until `resume_reading`."""
        if self.is_reading():
            self._is_reading = False
            self._loop.remove_reader(self._socket.fileno())

    def resume_reading(self) -> None:
        """Give the protocol data again, beginning with what was received before the pause."""
        if not self._is_reading and not self.is_closing():
            self._is_reading = True
            self._loop.add_reader(self._socket.fileno(), self._receive)
            if self._incoming.pending or self._tls.pending():
                self._loop.call_soon(self._read_rest)

    # Output

    def write(self, data: Data) -> None:
        """Encrypt and send; what the client does not take waits in memory."""
        if self._state is not State.OPEN or not data:
            return
        if self._unsent or len(data) > PIECE:
            self._wait_with(data)
            if not self._unsent:
                self._send_waiting()
        else:
            self._tls.write(data)
            self._send_encrypted()
        if self._unsent:
            self._pause_protocol()

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        """Write each; none is copied before it is encrypted."""
        for data in list_of_data:
            self.write(data)

    def _wait_with(self, data: Data) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(memoryview(data))
        self._waiting_size += len(data)

    def _send_encrypted(self) -> None:
        """Send what OpenSSL has written."""
        if self._outgoing.pending and self._state is not State.CLOSED:
            data = self._outgoing.read()
            if len(self._unsent) > PIECE * 2:  # a client that asks for new keys and takes nothing
                self._lose(None)
            elif self._unsent:
                self._unsent += data
            else:
                self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(error)
            return
        if sent < len(data):
            if not self._unsent:
                self._loop.add_writer(self._socket.fileno(), self._send_rest)
            self._unsent = data[sent:]
        elif self._unsent:
            self._unsent = b""
            self._loop.remove_writer(self._socket.fileno())

    def _send_waiting(self) -> None:
        """Encrypt and send piece after piece, until the kernel takes no more."""
        while self._waiting and not self._unsent and self._state is not State.CLOSED:
            data = self._waiting.popleft()
            if len(data) > PIECE:
                self._waiting.appendleft(data[PIECE:])
                data = data[:PIECE]
            self._waiting_size -= len(data)
            self._tls.write(data)
            self._send_encrypted()

    def _send_rest(self) -> None:
        """Continue to write, as the kernel has room again."""
        self._send(self._unsent)
        self._send_waiting()
        if self._state is State.CLOSED:
            return
        if self._is_paused and self.get_write_buffer_size() <= self._low:
            self._is_paused = False
            try:
                self._protocol.resume_writing()
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(error)
        if self._state is State.FLUSHING and not self._unsent:
            self._finish()

    def _pause_protocol(self) -> None:
        if not self._is_paused and self.get_write_buffer_size() > self._high:
            self._is_paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for the kernel to take them."""
        return len(self._unsent) + self._waiting_size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return at how many waiting bytes the protocol is resumed and paused."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Pause the protocol above `high` waiting bytes, and resume it at `low`."""
        if high is None:
            high = HIGH if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        self._pause_protocol()

    def can_write_eof(self) -> bool:
        """Answer False: after `close_notify` nothing is read."""
        return False

    # The end

    def is_closing(self) -> bool:
        """Answer whether the connection ends or has ended."""
        return self._state is not State.OPEN and self._state is not State.SHAKING_HANDS

    def close(self) -> None:
        """Write what waits, then `close_notify`; closing at once could discard the answer."""
        if self._state is State.SHAKING_HANDS:
            self._lose(None)
        elif self._state is State.OPEN:
            self._state = State.FLUSHING
            self._loop.remove_reader(self._socket.fileno())
            if not self._unsent:
                self._finish()

    def _finish(self) -> None:
        try:
            self._tls.unwrap()
        except ssl.SSLError:  # it wants the client's `close_notify`, too
            is_over = self._has_ended
        else:
            is_over = True
        self._send_encrypted()
        if is_over:
            self._lose(None)
        if self._state is State.CLOSED:
            return
        self._state = State.ENDING
        self._end = self._loop.call_later(END_SECONDS, self.abort)
        self._loop.add_reader(self._socket.fileno(), self._receive)

    def abort(self) -> None:
        """End the connection; what waits is not sent."""
        self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self._state is State.CLOSED:
            return
        self._state = State.CLOSED
        if self._end is not None:
            self._end.cancel()
        number = self._socket.fileno()
        self._loop.remove_reader(number)
        if self._unsent:
            self._loop.remove_writer(number)
        self._unsent, self._waiting, self._waiting_size = b"", None, 0
        self._loop.call_soon(self._tell_lost, error)  # a protocol may have called

    def _fail(self, error: Exception) -> None:
        """Report a failure of the protocol, and end the connection."""
        context = {"message": "a connection's protocol failed", "exception": error}
        self._loop.call_exception_handler(context)
        self._lose(error)

    def _tell_lost(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()
            self._protocol = _NO_PROTOCOL  # else it would keep this connection until a collection

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give what follows to another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's
        """Return one of `peername`, `socket`, `sockname`, `sslcontext`, `ssl_object`."""
        if name == "sslcontext":
            return self._context
        if name == "socket":
            return self._socket
        if name == "peername":
            return self._address
        if name == "ssl_object":
            return self._tls
        if name == "sockname" and self._socket.fileno() >= 0:
            return self._socket.getsockname()
        return default
