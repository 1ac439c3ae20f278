"""A world with real sockets, and a relay that records the bytes at the other end.

The relay is a TCP relay on loopback between client and server, which does not read HTTP. The bytes
that it received can be compared with the bytes that the client sent according to its world.
"""

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Final, Self

from client_sim.lab.errors import EnvironmentFailedError
from client_sim.lab.trace.hello import Wire, read_wire
from client_sim.lab.trace.memory import (
    OTHER_ADDRESS,
    Entropy,
    MemoryStream,
    MemoryWorld,
    VirtualWorld,
)
from client_sim.persona import Persona
from client_sim.world import Public, Stream

PATIENCE: Final = 20.0
"""Seconds to wait for a peer on loopback; one that is silent for longer is considered dead."""

_CHUNK: Final = 65_536
_NOTHING: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Dial = Callable[[socket.socket, str], socket.socket]
"""Starts TLS on a connected socket, given the server name to authenticate; raises OSError."""
MakeDial = Callable[[str, Persona], Dial]
"""Returns the `Dial` of an owner's phone, given the PEM text of its trusted CAs."""


class Acceptor(ABC):
    """A listener that accepts connections at `address` while its context is active."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._serving: list[threading.Thread] = []
        self._arrival = threading.Condition()
        self.address: tuple[str, int] = self._listener.getsockname()

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        # On Linux, close() does not wake a waiting accept; shutdown() does.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(PATIENCE)

    @abstractmethod
    def begin(self, wire: socket.socket, client_port: int) -> Callable[[], None]:
        """Return the function that serves a connection in a thread; called for each in order."""

    def wait(self, count: int = 0) -> bool:
        """Wait until `count` connections were accepted and all have ended; return whether they did.

        A connection that the client has closed may still be in the listener's queue.
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
            thread = threading.Thread(target=self.begin(wire, port), daemon=True)
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
    """The bytes that a client sent on one connection, and whether it ended by a client's reset."""

    def __init__(self) -> None:
        self.data = b""
        self.is_reset = False
        self.done = threading.Event()


class Relay(Acceptor):
    """A relay to `upstream` (address, port), which runs while its context is active.

    Clients connect to `address`.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__()
        self._upstream = upstream
        self._relayed: dict[int, Relayed] = {}

    def take(self, client_port: int) -> Relayed:
        """Wait until the connection from `client_port` has ended, and return its bytes.

        Raise EnvironmentFailedError if that takes longer than `PATIENCE`.
        """
        with self._arrival:
            arrived = self._arrival.wait_for(lambda: client_port in self._relayed, PATIENCE)
            relayed = self._relayed.pop(client_port) if arrived else None
        if relayed is None or not relayed.done.wait(PATIENCE):
            raise EnvironmentFailedError(f"the relay lost the connection from port {client_port}")
        return relayed

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.wait()

    def begin(self, wire: socket.socket, client_port: int) -> Callable[[], None]:
        """Relay a connection."""
        relayed = Relayed()
        with self._arrival:
            self._relayed[client_port] = relayed
            self._arrival.notify_all()
        return lambda: self._serve(wire, relayed)

    def _serve(self, near: socket.socket, relayed: Relayed) -> None:
        with ExitStack() as stack:
            stack.callback(relayed.done.set)
            stack.enter_context(near)
            try:
                far = stack.enter_context(socket.create_connection(self._upstream, PATIENCE))
            except OSError:
                # Bytes that the client sends after the server has gone are still recorded.
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
    """Forward answers to the client until the server closes; then close the client's side."""
    with suppress(OSError):
        while chunk := far.recv(_CHUNK):
            near.sendall(chunk)
    # Also after a reset, because the client would otherwise wait for an answer.
    with suppress(OSError):
        near.shutdown(socket.SHUT_WR)


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
    """A world with real sockets to the update server, through a relay that records the bytes.

    `addresses` maps host names to addresses. All other names have the address `OTHER_ADDRESS`.
    Its simulated server gives an empty answer, so planted data never leaves the machine. `dial`
    starts TLS; without it, TLS is refused. With TLS, `received(n)` returns the plaintext that the
    server read on each of `n` connections.
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
        self._ended: list[_Sink | Relayed] | None = None
        self._streams: list[_SocketStream | _Sink] = []

    def resolve(self, host: str) -> Sequence[str]:
        """Return the address from `addresses`, or `OTHER_ADDRESS`."""
        return [self._addresses.get(host, OTHER_ADDRESS)]

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect to the relay, with TLS if a server name is given; raise OSError on failure."""
        if address not in self._addresses.values() or port != self.public.port:
            sink = _Sink()
            self._streams.append(sink)
            return sink
        self._streams.append(_Sink())  # a placeholder, in case the connection fails
        if tls is not None and self._dial is None:
            raise OSError("this world supports only plain text")
        wire = socket.create_connection(self._relay.address, timeout=PATIENCE)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        stream = _SocketStream(wire, wire.getsockname()[1])
        self._streams[-1] = stream
        if tls is not None and self._dial is not None:
            stream.wire = self._dial(wire, tls)
        return stream

    def far_ends(self) -> Sequence[bytes]:
        """Close all connections and return what the other end read on each."""
        ended = self._end_connections()
        if self._received is None:
            return [each.data for each in ended]
        relayed_streams = [stream for stream in self._streams if not isinstance(stream, _Sink)]
        read = iter(self._received(len(relayed_streams)))
        return [
            stream.data if isinstance(stream, _Sink) else next(read, b"")
            for stream in self._streams
        ]

    def wires(self) -> Sequence[Wire]:
        """Return the network's view of each relayed connection."""
        return [read_wire(each.data, is_reset=each.is_reset) for each in self._end_connections()]

    def _end_connections(self) -> "list[_Sink | Relayed]":
        if self._ended is None:
            for stream in self._streams:
                stream.close()
            self._ended = [
                s if isinstance(s, _Sink) else self._relay.take(s.local_port) for s in self._streams
            ]
        return self._ended


DrivenWorld = MemoryWorld | SocketWorld


class _Sink(MemoryStream):
    """A simulated connection that gives an empty answer and keeps the bytes sent."""

    def __init__(self) -> None:
        super().__init__(lambda _request: _NOTHING, lambda _seconds: None)
        self.data = b""
        self.is_reset = False

    def send(self, data: bytes) -> None:
        super().send(data)
        self.data += data
