"""A scripted server at a real socket on loopback, plain or in TLS, which keeps what arrives."""

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final, Self

from client_sim.lab.errors import SurroundingsError
from client_sim.lab.trace.acceptor import PATIENCE, Acceptor
from client_sim.lab.trace.memory import Asked, Responder

_CHUNK: Final = 65_536
_END: Final = b"\r\n\r\n"
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close sends a reset


class Listening:
    """A running server; a context manager, which stops it.

    `respond` is called as soon as a head has come, with the time that `now` returns. `address` is
    where it listens.
    """

    def __init__(
        self, respond: Responder, now: Callable[[], float], context: ssl.SSLContext | None
    ) -> None:
        self._respond = respond
        self._now = now
        self._context = context
        self._received: list[bytes] = []
        self._acceptor = Acceptor(self._begin)
        self.address = self._acceptor.address

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._acceptor.stop()
        self.received()

    def received(self, count: int = 0) -> tuple[bytes, ...]:
        """Wait until `count` connections have come and all are over; give what arrived on each.

        They are in the order in which they came. SurroundingsError where one does not end.
        """
        if not self._acceptor.wait(count):
            raise SurroundingsError("a connection of the lab's own server does not end")
        return tuple(self._received)

    def _begin(self, wire: socket.socket, _port: int) -> Callable[[], None]:
        self._received.append(b"")
        number = len(self._received) - 1
        return lambda: self._serve(wire, number)

    def _serve(self, wire: socket.socket, number: int) -> None:
        wire.settimeout(PATIENCE)
        with ExitStack() as stack:
            stack.enter_context(wire)
            name = None
            with suppress(OSError):  # a client may break off whenever it likes
                if self._context is not None:
                    wire = stack.enter_context(self._context.wrap_socket(wire, server_side=True))
                    name = "tls"
                self._converse(wire, number, name)

    def _converse(self, wire: socket.socket, number: int, name: str | None) -> None:
        asked = b""
        while chunk := wire.recv(_CHUNK):
            self._received[number] += chunk
            asked += chunk
            if _END not in asked:
                continue
            address, port = self.address
            try:
                answer = self._respond(Asked(asked, self._now(), number, address, port, name))
            except OSError:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            wire.sendall(answer)
            asked = b""
