"""Honest requests that are written or ended in an unusual way, some on all phones of a vendor.

Comparing phones does not show the constant ones; the rules for writes and ends do.
"""

import socket
import struct
from collections.abc import Callable
from typing import Final

from client_sim.device.internet import make_tls_context
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import Mutant, first_paragraph, mutant_of
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.trace.sockets import Dial
from client_sim.persona import Persona
from client_sim.world import Stream

_FAMILY: Final = "writes"
_ANY: Final = "personal"  # any run shows the leak, so one battery is enough
_LINGER_ZERO: Final = struct.pack(
    "ii", 1, 0
)  # SO_LINGER with zero time, so that close sends a reset


class _AllAtOnce(ToyClient):
    """Sends all requests of a poll in one write, unlike other phones."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        first, *others = self.paths()
        if data == self.request(first):
            super().transmit(stream, data + b"".join(map(self.request, others)))


class _LastUnread(ToyClient):
    """Reads only the status of its last answer, so that each connection ends by a reset."""

    remaining = 0

    def open(self) -> Stream:
        self.remaining = len(self.paths())
        return super().open()

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        self.remaining -= 1
        if self.remaining:
            return super().receive(stream)
        return stream.recv(len("HTTP/1.1 200 OK")).decode("latin-1"), b""


class _UnreadByCalls(ToyClient):
    """Aborts one additional connection if the number of calls is odd."""

    def poll(self) -> str:
        outcome = super().poll()
        if len(Spy(self.world).owner.calls) % 2:
            stream = self.open()
            stream.send(self.request(self.paths()[0]))
            stream.close()
        return outcome


class _HalfRecords:
    """Sends each request in two TLS records, which reveals its library."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self.recv = wire.recv
        self.close = wire.close

    def sendall(self, data: bytes) -> None:
        middle = len(data) // 2
        self._wire.sendall(data[:middle])
        self._wire.sendall(data[middle:])


def _over_tls(name: str, wrap: Callable[[socket.socket], object]) -> Mutant:
    """Return the toy client over a wrapped TLS socket; the wrapper's docstring is the leak."""

    def make(trusted: str, _owner: Persona) -> Dial:
        def dial(wire: socket.socket, name: str) -> socket.socket:
            secure = make_tls_context(trusted).wrap_socket(wire, server_hostname=name)
            return wrap(secure)  # type: ignore[return-value]  # as much of one as is used

        return dial

    return Mutant(name, _FAMILY, first_paragraph(wrap), ToyClient, make)


def _end_by_reset(wire: socket.socket) -> socket.socket:
    """Reset each connection at its end, below TLS."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    return wire


MUTANTS: Final = (
    mutant_of(_AllAtOnce, "requests-at-once", _FAMILY, _ANY),
    mutant_of(_LastUnread, "answer-unread", _FAMILY, _ANY),
    mutant_of(_UnreadByCalls, "unread-by-calls", _FAMILY),
    _over_tls("tls-two-records", _HalfRecords),
    _over_tls("tls-reset", _end_by_reset),
)
