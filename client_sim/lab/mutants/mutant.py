"""Mutants: clients that leak in one known way, or a clean client over a leaky transport.

The latter is the real polling client. A vendor's HTTP library, proxy or modem below it may add
bytes that the client never wrote.
"""

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from client_sim.device.client import PollingClient
from client_sim.lab.trace.sockets import MakeDial
from client_sim.persona import Persona
from client_sim.world import Client, Factory, Public, Stream, World


class LeakingWorld:
    """A world that forwards everything, with hooks for sent and received bytes.

    The client in it gets no owner; the leak reads the owner of the outer world.
    """

    def __init__(self, outer: World) -> None:
        self.public: Public = outer.public
        self.personal: Persona | None = None
        self.state: MutableMapping[str, bytes] = outer.state
        self.outer = outer

    def entropy(self, n: int) -> bytes:
        """Return the outer world's randomness."""
        return self.outer.entropy(n)

    def now(self) -> float:
        """Return the outer world's time."""
        return self.outer.now()

    def resolve(self, host: str) -> Sequence[str]:
        """Resolve a name in the outer world."""
        return self.outer.resolve(host)

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect in the outer world."""
        return _LeakingStream(self, self.dial(address, port, tls))

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        """Make the connection that `connect` wraps."""
        return self.outer.connect(address, port, tls)

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send the client's bytes."""
        stream.send(data)

    def received(self, data: bytes) -> None:
        """Receive the bytes of an answer; subclasses override this."""

    def disconnect(self, stream: Stream) -> None:
        """Close the client's connection."""
        stream.close()


class _LeakingStream:
    def __init__(self, world: LeakingWorld, inner: Stream) -> None:
        self._world = world
        self._inner = inner

    def send(self, data: bytes) -> None:
        self._world.transmit(self._inner, data)

    def recv(self, limit: int) -> bytes:
        data = self._inner.recv(limit)
        self._world.received(data)
        return data

    def close(self) -> None:
        self._world.disconnect(self._inner)


def leak_in_transport(kind: type[LeakingWorld]) -> Factory:
    """Return a factory of the real client in a leaking world."""

    def make(world: World) -> Client:
        return PollingClient(kind(world))

    return make


@dataclass(frozen=True, slots=True)
class Mutant:
    """A leaky client: `family` is its row of the channel catalogue (`L01` to `L58`).

    `id` is short and unique, of a-z, 0-9 and hyphens; `leak` describes in a sentence what it
    reveals and how. If the TLS layer leaks instead of the client, `dial` starts TLS. `only` names
    the batteries that examine it, if others cannot find it or find nothing more.
    """

    id: str
    family: str
    leak: str
    make: Factory
    dial: MakeDial | None = None
    only: tuple[str, ...] = ()


def mutant_of(make: Factory, name: str, family: str, *only: str) -> Mutant:
    """Return the mutant of a class; the first paragraph of its docstring describes the leak."""
    return Mutant(name, family, first_paragraph(make), make, only=only)


def first_paragraph(documented: object) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join((documented.__doc__ or "").partition("\n\n")[0].split())
