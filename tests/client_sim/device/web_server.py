"""A simulated repository behind a socket on loopback; it records the bytes that arrive."""

import socket
import threading
from contextlib import contextmanager


class WebServer:
    """`received` holds the bytes of each connection, in the order of connecting.

    The server closes the connection where the repository returns no bytes.
    """

    def __init__(self, repository):
        self.repository = repository
        self.received = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def close(self):
        """Stop and wait for all threads."""
        # A listener that is only closed would leave the accept in the other thread waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            place = len(self.received)
            self.received.append(b"")
            thread = threading.Thread(target=self._serve, args=(wire, place))
            self._threads.append(thread)
            thread.start()

    def _serve(self, wire, place):
        asked = b""
        with wire:
            while data := wire.recv(65536):
                self.received[place] += data
                asked += data
                while b"\r\n\r\n" in asked:
                    head, _, asked = asked.partition(b"\r\n\r\n")
                    answer = self.repository.answer(head)
                    if not answer:
                        return
                    wire.sendall(answer)


@contextmanager
def serve(repository):
    """Serve a repository for the length of a block."""
    server = WebServer(repository)
    try:
        yield server
    finally:
        server.close()
