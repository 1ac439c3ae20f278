"""Records the bytes that a phone sends and receives on its sockets."""

import re

from client_sim.device.internet import RealWorld
from client_sim.world import Stream


class TappedWorld(RealWorld):
    """The real world; `sent` and `got` have all bytes that were sent and received."""

    sent = b""
    got = b""

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and record the bytes of the connection."""
        return _Tap(super().connect(address, port, tls), self)

    def answers(self) -> bytes:
        """Return the received bytes without the Date headers."""
        return re.sub(rb"\r\nDate: [^\r]*", b"", self.got)


class _Tap:
    def __init__(self, inner: Stream, world: TappedWorld) -> None:
        self._inner = inner
        self._world = world

    def send(self, data: bytes) -> None:
        self._world.sent += data
        self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        data = self._inner.recv(limit)
        self._world.got += data
        return data

    def close(self) -> None:
        self._inner.close()
