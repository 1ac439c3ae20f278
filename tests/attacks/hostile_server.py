"""A server on real loopback sockets that sends arbitrary answers and records what it receives."""

import itertools
import socket
import struct
import threading
from contextlib import contextmanager

RESET = object()
"""An item of a reply, in place of bytes: reset the connection."""

CLOSE = object()
"""An item of a reply, in place of bytes: close the connection."""

# Sent by this module's own connections, and never by a phone.
_MARK = b"\0"


class HostileServer:
    """Answers connections one after another, as a phone opens them.

    `repository` returns the valid answer to a request head, both as bytes. `reply(path, answer)`
    returns what is sent instead: an iterable of bytes, RESET or CLOSE. Without `reply` the valid
    answer is sent. After `send_limit` sent or `read_limit` received bytes a connection is reset.
    `received` has the bytes of each connection in the order of connecting; `failures` has this
    server's errors.
    """

    def __init__(self):
        self.repository = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.behave()
        self._received = []
        self.failures = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def behave(self):
        """Send valid answers from now on."""
        self.reply = None
        self.send_limit = None
        self.read_limit = None

    @property
    def received(self):
        """Return the bytes of each connection that has ended; wait for the open one."""
        # Connections are served one after the other. Once this one is served, all bytes of earlier
        # connections have been read.
        with socket.create_connection(("127.0.0.1", self.port)) as wire:
            wire.sendall(_MARK)
            assert wire.recv(1) == b""
        return [bytes(data) for data in self._received]

    def forget(self):
        """Clear received bytes and failures, after all bytes have been read."""
        assert self.received is not None
        self._received.clear()
        self.failures.clear()

    def close(self):
        """Stop after the connection that is being answered."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self):
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            received = bytearray()
            self._received.append(received)
            with wire:
                try:
                    self._serve(wire, received)
                except OSError:
                    # The phone closed the connection, as it should.
                    continue
                except Exception as error:  # noqa: BLE001 - tests check `failures`
                    self.failures.append(error)

    def _serve(self, wire, received):
        asked, sent, read = b"", 0, 0
        while True:
            size = 65_536 if self.read_limit is None else self.read_limit - read
            data = wire.recv(size) if size else b""
            if data == _MARK:
                self._received.pop()
                return
            received += data
            read += len(data)
            if read == self.read_limit:
                _reset(wire)
                return
            if not data:
                return
            asked += data
            while b"\r\n\r\n" in asked:
                head, _, asked = asked.partition(b"\r\n\r\n")
                for part in self._answer(head):
                    if part is CLOSE:
                        return
                    if part is RESET:
                        _reset(wire)
                        return
                    left = None if self.send_limit is None else self.send_limit - sent
                    wire.sendall(part[:left])
                    sent += len(part)
                    if left is not None and len(part) >= left:
                        _reset(wire)
                        return

    def _answer(self, head):
        answer = self.repository.answer(head)
        if self.reply is None:
            return [answer]
        return self.reply(head.split(b" ")[1].decode("ascii"), answer)


def _reset(wire):
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def forever(data):
    """Send bytes without end, in large pieces."""
    return itertools.repeat(data * (65_536 // len(data)))


@contextmanager
def hostile_server():
    """Run a server until the block ends."""
    server = HostileServer()
    try:
        yield server
    finally:
        server.close()
