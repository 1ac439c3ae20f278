"""A TCP relay on loopback between client and server, which keeps the octets as they arrived.

It reads no HTTP: what it keeps is what came out of the socket, so it can be compared octet for
octet with what the client says it put in.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final, Self

from client_sim.lab.errors import SurroundingsError

_CHUNK: Final = 65_536
_PATIENCE: Final = 20.0  # seconds to wait for a peer on loopback


def check_answering(upstream: tuple[str, int]) -> None:
    """Raise SurroundingsError where nobody accepts connections at (address, port)."""
    try:
        socket.create_connection(upstream, timeout=_PATIENCE).close()
    except OSError as error:
        raise SurroundingsError(
            f"no server answers at {upstream[0]}:{upstream[1]} ({error}): start it first"
        ) from error


class _Relayed:
    def __init__(self) -> None:
        self.octets = b""
        self.done = threading.Event()


class Relay:
    """A running relay to `upstream` (address, port); a context manager, which stops it.

    `address` is where clients connect.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._relayed: dict[int, _Relayed] = {}
        self._arrival = threading.Condition()
        self._threads: list[threading.Thread] = []
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
        for thread in self._threads:
            thread.join(_PATIENCE)

    def take(self, client_port: int) -> bytes:
        """Wait until the connection from `client_port` is over and give what was received on it."""
        with self._arrival:
            there = self._arrival.wait_for(lambda: client_port in self._relayed, _PATIENCE)
            relayed = self._relayed.pop(client_port) if there else None
        if relayed is None or not relayed.done.wait(_PATIENCE):
            raise SurroundingsError(f"the relay lost the connection from port {client_port}")
        return relayed.octets

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, (_, port) = self._listener.accept()
            except OSError:
                return  # the listener was shut down
            relayed = _Relayed()
            with self._arrival:
                self._relayed[port] = relayed
                self._arrival.notify_all()
            self._start(self._serve, near, relayed)

    def _serve(self, near: socket.socket, relayed: _Relayed) -> None:
        with ExitStack() as stack:
            stack.callback(relayed.done.set)
            stack.enter_context(near)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            try:
                far = stack.enter_context(socket.create_connection(self._upstream, _PATIENCE))
            except OSError:
                # What the client says into the void still belongs to the record.
                far = None
            if far is not None:
                far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
                back = threading.Thread(target=_pump_back, args=(far, near), daemon=True)
                back.start()
                stack.callback(back.join, _PATIENCE)
            with suppress(OSError):
                while chunk := near.recv(_CHUNK):
                    relayed.octets += chunk
                    if far is not None:
                        with suppress(OSError):
                            far.sendall(chunk)
            if far is not None:
                with suppress(OSError):
                    far.shutdown(socket.SHUT_RDWR)


def _pump_back(far: socket.socket, near: socket.socket) -> None:
    """Carry answers to the client; an end of the server's side is an end for the client."""
    with suppress(OSError):
        while chunk := far.recv(_CHUNK):
            near.sendall(chunk)
    # Also after a reset: a client that is not told would wait for an answer.
    with suppress(OSError):
        near.shutdown(socket.SHUT_WR)
