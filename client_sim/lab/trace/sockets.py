"""A world with real sockets, through a relay that keeps the bytes at the other end."""

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.hello import Wire, read_wire
from client_sim.lab.trace.memory import ELSEWHERE, MemoryStream, VirtualWorld
from client_sim.lab.trace.relay import Relay, Relayed
from client_sim.persona import Persona
from client_sim.world import Public, Stream

_PATIENCE: Final = 20.0  # seconds: a server on loopback that is silent for longer is gone
_NOTHING: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


Dial = Callable[[socket.socket, str], socket.socket]
"""Begins TLS on a connected socket, with the name to authenticate; OSError where it fails."""

MakeDial = Callable[[str, Persona], Dial]
"""Makes the function that begins TLS for an owner's phone, from the PEM text of its trusted CAs."""


class _SocketStream:
    def __init__(self, wire: socket.socket, local_port: int) -> None:
        self.wire = wire
        self.local_port = local_port

    def send(self, data: bytes) -> None:
        self.wire.sendall(data)

    def recv(self, limit: int) -> bytes:
        return self.wire.recv(limit)

    def close(self) -> None:
        self.wire.close()


class SocketWorld(VirtualWorld):
    """A world with real sockets to the update server, through a relay that keeps the bytes.

    `addresses` maps names to addresses; other names have the address `ELSEWHERE`, which gives an
    empty answer: planted data never leaves the machine. `dial` begins TLS; without it, TLS is
    refused. With it, `received` returns what the server read within TLS on each of so many
    connections.
    """

    def __init__(
        self,
        public: Public,
        personal: Persona | None,
        *,
        entropy: Entropy,
        start: float,
        addresses: Mapping[str, str],
        relay: Relay,
        dial: Dial | None = None,
        received: Callable[[int], Sequence[bytes]] | None = None,
    ) -> None:
        super().__init__(public, personal, entropy=entropy, start=start)
        self._addresses = addresses
        self._relay = relay
        self._dial = dial
        self._received = received
        self._carried: list[_Hole | Relayed] | None = None
        self._streams: list[_SocketStream | _Hole] = []

    def resolve(self, host: str) -> Sequence[str]:
        """Answer from the table, so that a client asks for a host name and never for an address."""
        return [self._addresses.get(host, ELSEWHERE)]

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Open a real connection to the relay, in TLS where a name is given; raises OSError."""
        if address not in self._addresses.values() or port != self.public.port:
            hole = _Hole()
            self._streams.append(hole)
            return hole
        self._streams.append(_Hole())  # a placeholder, in case the connection fails
        if tls is not None and self._dial is None:
            raise OSError("this world speaks plain text only")
        wire = socket.create_connection(self._relay.address, timeout=_PATIENCE)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        stream = _SocketStream(wire, wire.getsockname()[1])
        self._streams[-1] = stream
        if tls is not None and self._dial is not None:
            stream.wire = self._dial(wire, tls)
        return stream

    def far_ends(self) -> Sequence[bytes] | None:
        """Close what is open and collect what the other end read."""
        carried = self._carry()
        if self._received is None:
            return [each.data for each in carried]
        carrying = [stream for stream in self._streams if not isinstance(stream, _Hole)]
        read = iter(self._received(len(carrying)))
        return [
            stream.data if isinstance(stream, _Hole) else next(read, b"")
            for stream in self._streams
        ]

    def wires(self) -> Sequence[Wire] | None:
        """Return what the relay carried, as the network saw it."""
        return [read_wire(each.data, is_reset=each.is_reset) for each in self._carry()]

    def _carry(self) -> "list[_Hole | Relayed]":
        if self._carried is None:
            for stream in self._streams:
                stream.close()
            self._carried = [
                s if isinstance(s, _Hole) else self._relay.take(s.local_port) for s in self._streams
            ]
        return self._carried


class _Hole(MemoryStream):
    """A connection to nowhere, which gives an empty answer and keeps what it received."""

    def __init__(self) -> None:
        super().__init__(lambda _asked: _NOTHING, lambda _seconds: None)
        self.data = b""
        self.is_reset = False

    def send(self, data: bytes) -> None:
        super().send(data)
        self.data += data
