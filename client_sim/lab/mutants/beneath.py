"""The real polling client over a transport that leaks: the client itself is clean to the last line.

This happens when a vendor's HTTP library, proxy or modem adds what the code above never wrote.
"""

from collections.abc import MutableMapping, Sequence

from client_sim.device.client import PollingClient
from client_sim.lab.mutants.spy import Spy
from client_sim.persona import Persona
from client_sim.world import Client, Factory, Public, Stream, World


class LeakingWorld:
    """A world that forwards everything, with hooks for what leaves and what comes.

    The client in it gets no owner; the leak reads the outer world's.
    """

    def __init__(self, outer: World) -> None:
        self.public: Public = outer.public
        self.personal: Persona | None = None
        self.state: MutableMapping[str, bytes] = outer.state
        self.outer = outer
        self.spy = Spy(outer)

    def entropy(self, n: int) -> bytes:
        """Return the outer world's randomness."""
        return self.outer.entropy(n)

    def now(self) -> float:
        """Return the outer world's time."""
        return self.outer.now()

    def resolve(self, host: str) -> Sequence[str]:
        """Ask the outer world's name servers."""
        return self.outer.resolve(host)

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect in the outer world."""
        return _LeakingStream(self, self.dial(address, port, tls))

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        """Make the connection that is overheard."""
        return self.outer.connect(address, port, tls)

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send what the client sends."""
        stream.send(data)

    def hear(self, data: bytes) -> None:
        """Take notice of bytes of an answer."""

    def hang_up(self, stream: Stream) -> None:
        """Close what the client closes."""
        stream.close()


class _LeakingStream:
    def __init__(self, world: LeakingWorld, inner: Stream) -> None:
        self._world = world
        self._inner = inner

    def send(self, data: bytes) -> None:
        self._world.transmit(self._inner, data)

    def recv(self, limit: int) -> bytes:
        data = self._inner.recv(limit)
        self._world.hear(data)
        return data

    def close(self) -> None:
        self._world.hang_up(self._inner)


def leak_beneath(kind: type[LeakingWorld]) -> Factory:
    """Put the real client into a leaking world."""

    def make(world: World) -> Client:
        return PollingClient(kind(world))

    return make
