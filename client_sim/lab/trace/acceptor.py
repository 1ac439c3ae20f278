"""Accepting connections on loopback, each in a thread of its own."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

PATIENCE: Final = 20.0
"""Seconds to wait for a peer on loopback."""


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
