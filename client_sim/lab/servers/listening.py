"""A scripted server behind a real socket on loopback, plain or in TLS, which keeps what arrives."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final, Self

from client_sim.lab.errors import SurroundingsError
from client_sim.lab.trace.memory import Asked, Responder

_CHUNK: Final = 65_536
_PATIENCE: Final = 20.0  # seconds to wait for a peer on loopback
_END: Final = b"\r\n\r\n"
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close sends a reset


class Listening:
    """A running server; a context manager, which stops it.

    `respond` is asked as soon as a head is there, `now` gives the time that it is told.
    `address` is where it listens.
    """

    def __init__(
        self, respond: Responder, now: Callable[[], float], context: ssl.SSLContext | None
    ) -> None:
        self._respond = respond
        self._now = now
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._received: list[bytes] = []
        self.address: tuple[str, int] = self._listener.getsockname()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A closed listener does not wake its accept on Linux; a shut down one does.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.received()

    def received(self) -> tuple[bytes, ...]:
        """Wait until all connections are over and give what arrived on each, in their order."""
        for thread in self._threads[1:]:
            thread.join(_PATIENCE)
            if thread.is_alive():
                raise SurroundingsError("a connection of the lab's own server does not end")
        return tuple(self._received)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return  # the listener was shut down
            self._received.append(b"")
            self._start(self._serve, wire, len(self._received) - 1)

    def _serve(self, wire: socket.socket, number: int) -> None:
        wire.settimeout(_PATIENCE)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
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
