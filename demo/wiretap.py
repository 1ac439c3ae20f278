"""What one poll of a phone sent and got, as the bytes on its socket."""

import re

from client_sim.device.internet import RealWorld
from client_sim.world import Stream


class TappedWorld(RealWorld):
    """The real world, with everything that goes over its sockets kept."""

    sent = b""
    got = b""

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and listen in."""
        return _Tap(super().connect(address, port, tls), self)

    def answers(self) -> bytes:
        """Return what came back, but for the date in each head."""
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
