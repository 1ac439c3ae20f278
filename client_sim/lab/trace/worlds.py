"""The worlds of the lab: seeded randomness, a clock moved from outside, two kinds of wire."""

import hashlib
import socket
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Final, Protocol

from client_sim.lab.trace.relay import Relay
from client_sim.persona import Persona
from client_sim.world import Public, Stream, World

ELSEWHERE: Final = "192.0.2.1"
"""The address of every host that is not the update server (RFC 5737: routed nowhere)."""

_PATIENCE: Final = 20.0  # seconds: a server on loopback that is silent for longer is gone
_NOTHING: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

Responder = Callable[[bytes], bytes]
"""A scripted server: the octets sent since the last answer to the octets of the next answer."""


class DrivenWorld(World, Protocol):
    """A world whose clock a scenario moves."""

    def advance_to(self, now: float) -> None:
        """Set the clock to epoch seconds `now`."""

    def far_ends(self) -> Sequence[bytes] | None:
        """Close what is still open and give what the other end of each connection received.

        In the order of connecting; None when the other end is this very object.
        """


class SeededEntropy:
    """An endless tape of octets that is the same for the same seed."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._drawn = 0

    def __call__(self, n: int) -> bytes:
        """Give the next `n` octets; each draw has its own place on the tape."""
        self._drawn += 1
        return hashlib.shake_256(b"%d\x00%s" % (self._drawn, self._seed)).digest(n)


class MemoryStream:
    """One end of a connection to a scripted server in the same process."""

    def __init__(self, respond: Responder) -> None:
        self._respond = respond
        self._asked = b""
        self._answer = b""
        self._open = True

    def send(self, data: bytes) -> None:
        """Hand octets to the script; raise OSError when closed."""
        self._check_open()
        self._asked += data

    def recv(self, limit: int) -> bytes:
        """Give at most `limit` octets of the answer; b"" when there is none left."""
        self._check_open()
        if not self._answer and self._asked:
            self._answer, self._asked = self._respond(self._asked), b""
        taken, self._answer = self._answer[:limit], self._answer[limit:]
        return taken

    def close(self) -> None:
        """Close; closing twice is harmless, as with sockets."""
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise OSError("the connection is closed")


class MemoryWorld:
    """A world in which one scripted server answers on every name and address."""

    def __init__(
        self,
        public: Public,
        personal: Persona | None,
        *,
        entropy: bytes,
        start: float,
        respond: Responder,
    ) -> None:
        self.public = public
        self.personal = personal
        self.state: MutableMapping[str, bytes] = {}
        self.entropy = SeededEntropy(entropy)
        self._now = start
        self._respond = respond

    def now(self) -> float:
        """Give the virtual time."""
        return self._now

    def advance_to(self, now: float) -> None:
        """Set the virtual time."""
        self._now = now

    def resolve(self, host: str) -> Sequence[str]:
        """Answer every question: the update server has an address, all others share one."""
        return ["198.51.100.1"] if host == self.public.host else [ELSEWHERE]

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect to the script."""
        del address, port, tls
        return MemoryStream(self._respond)

    def far_ends(self) -> Sequence[bytes] | None:
        """Give None: there are no sockets."""
        return None


class _SocketStream:
    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.local_port: int = wire.getsockname()[1]

    def send(self, data: bytes) -> None:
        self.wire.sendall(data)

    def recv(self, limit: int) -> bytes:
        return self.wire.recv(limit)

    def close(self) -> None:
        self.wire.close()


class SocketWorld:
    """A world with real sockets to the update server, through a relay that keeps the octets.

    `addresses` maps names to addresses; other names have the address `ELSEWHERE`, behind which
    nothing but an empty answer stands: planted data never leaves the machine to strangers.
    """

    def __init__(
        self,
        public: Public,
        personal: Persona | None,
        *,
        entropy: bytes,
        start: float,
        addresses: Mapping[str, str],
        relay: Relay,
    ) -> None:
        self.public = public
        self.personal = personal
        self.state: MutableMapping[str, bytes] = {}
        self.entropy = SeededEntropy(entropy)
        self._now = start
        self._addresses = addresses
        self._relay = relay
        self._streams: list[_SocketStream | _Hole] = []

    def now(self) -> float:
        """Give the virtual time."""
        return self._now

    def advance_to(self, now: float) -> None:
        """Set the virtual time."""
        self._now = now

    def resolve(self, host: str) -> Sequence[str]:
        """Answer from the table, so that a client asks for a host name and never for an address."""
        return [self._addresses.get(host, ELSEWHERE)]

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Open a real connection to the relay; plain text only, or OSError."""
        if address not in self._addresses.values() or port != self.public.port:
            hole = _Hole()
            self._streams.append(hole)
            return hole
        if tls is not None:
            raise OSError("this world speaks plain text only")
        stream = _SocketStream(socket.create_connection(self._relay.address, timeout=_PATIENCE))
        self._streams.append(stream)
        return stream

    def far_ends(self) -> Sequence[bytes] | None:
        """Close what is open and collect what the relay received."""
        for stream in self._streams:
            stream.close()
        return [
            stream.swallowed if isinstance(stream, _Hole) else self._relay.take(stream.local_port)
            for stream in self._streams
        ]


class _Hole(MemoryStream):
    """A connection to nowhere, which answers politely and keeps what it got."""

    def __init__(self) -> None:
        super().__init__(lambda _asked: _NOTHING)
        self.swallowed = b""

    def send(self, data: bytes) -> None:
        super().send(data)
        self.swallowed += data
