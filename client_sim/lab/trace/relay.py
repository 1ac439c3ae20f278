"""A TCP relay on loopback between client and server, which keeps the bytes as they arrived.

It reads no HTTP: what it keeps is what came out of the socket, so it can be compared byte for
byte with what the client says it put in.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Final, Self

from client_sim.lab.errors import EnvironmentFailedError

PATIENCE: Final = 20.0
"""Seconds to wait for a peer on loopback."""

_CHUNK: Final = 65_536


class Acceptor:
    """A listener that accepts from `start` to `stop`; `address` is where clients connect.

    `begin` is called for each connection in order, with the socket and the client's port; it
    returns the function that a thread then runs.
    """

    def __init__(self, begin: Callable[[socket.socket, int], Callable[[], None]]) -> None:
        self._begin = begin
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._serving: list[threading.Thread] = []
        self._arrival = threading.Condition()
        self.address: tuple[str, int] = self._listener.getsockname()

    def start(self) -> None:
        """Begin to accept."""
        self._accepting.start()

    def stop(self) -> None:
        """Stop accepting; open connections go on."""
        # On Linux, close() does not wake a waiting accept; shutdown() does.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(PATIENCE)

    def wait(self, count: int = 0) -> bool:
        """Wait until `count` connections have come and all are over; return whether they are.

        A closed connection may still be in the queue of the listener.
        """
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self._serving) >= count, PATIENCE):
                return False
            serving = [*self._serving]
        for thread in serving:
            thread.join(PATIENCE)
        return not any(thread.is_alive() for thread in serving)

    def _accept(self) -> None:
        while True:
            try:
                wire, (_, port) = self._listener.accept()
            except OSError:
                return  # the listener was shut down
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            thread = threading.Thread(target=self._begin(wire, port), daemon=True)
            thread.start()
            with self._arrival:
                self._serving.append(thread)
                self._arrival.notify_all()


def check_answering(upstream: tuple[str, int]) -> None:
    """Raise EnvironmentFailedError unless (address, port) accepts connections."""
    try:
        socket.create_connection(upstream, timeout=PATIENCE).close()
    except OSError as error:
        raise EnvironmentFailedError(
            f"no server answers at {upstream[0]}:{upstream[1]} ({error}): start it first"
        ) from error


class Relayed:
    """The bytes of a client on one connection, and whether the client ended it by a reset."""

    def __init__(self) -> None:
        self.data = b""
        self.is_reset = False
        self.done = threading.Event()


class Relay:
    """A running relay to `upstream` (address, port); a context manager, which stops it.

    `address` is where clients connect.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._relayed: dict[int, Relayed] = {}
        self._arrival = threading.Condition()
        self._acceptor = Acceptor(self._begin)
        self.address = self._acceptor.address

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._acceptor.stop()
        self._acceptor.wait()

    def take(self, client_port: int) -> Relayed:
        """Wait until the connection from `client_port` is over and give what was received on it."""
        with self._arrival:
            there = self._arrival.wait_for(lambda: client_port in self._relayed, PATIENCE)
            relayed = self._relayed.pop(client_port) if there else None
        if relayed is None or not relayed.done.wait(PATIENCE):
            raise EnvironmentFailedError(f"the relay lost the connection from port {client_port}")
        return relayed

    def _begin(self, near: socket.socket, port: int) -> Callable[[], None]:
        relayed = Relayed()
        with self._arrival:
            self._relayed[port] = relayed
            self._arrival.notify_all()
        return lambda: self._serve(near, relayed)

    def _serve(self, near: socket.socket, relayed: Relayed) -> None:
        with ExitStack() as stack:
            stack.callback(relayed.done.set)
            stack.enter_context(near)
            try:
                far = stack.enter_context(socket.create_connection(self._upstream, PATIENCE))
            except OSError:
                # What the client sends after the server is gone still belongs to the record.
                far = None
            if far is not None:
                far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
                back = threading.Thread(target=_pump_back, args=(far, near), daemon=True)
                back.start()
                stack.callback(back.join, PATIENCE)
            try:
                while chunk := near.recv(_CHUNK):
                    relayed.data += chunk
                    if far is not None:
                        with suppress(OSError):
                            far.sendall(chunk)
            except ConnectionResetError:
                relayed.is_reset = True
            if far is not None:
                with suppress(OSError):
                    far.shutdown(socket.SHUT_RDWR)


def _pump_back(far: socket.socket, near: socket.socket) -> None:
    """Forward answers to the client; close the client's side when the server closes its own."""
    with suppress(OSError):
        while chunk := far.recv(_CHUNK):
            near.sendall(chunk)
    # Also after a reset: otherwise the client would wait for an answer.
    with suppress(OSError):
        near.shutdown(socket.SHUT_WR)
