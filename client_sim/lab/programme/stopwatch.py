"""Taking the time of polls over real sockets, two owners in a random order."""

from collections.abc import Callable
from contextlib import ExitStack

from client_sim.lab.programme.ground import START, Ground
from client_sim.lab.programme.wall_clock import Timed
from client_sim.lab.servers.scripted import Listening
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.relay import Relay
from client_sim.lab.trace.sockets import SocketWorld
from client_sim.tape import Tape
from client_sim.world import Factory, Stream

Read = Callable[[], int]
"""A clock of nanoseconds that only goes forward."""


class _Phone:
    """A client over real sockets to a server of its own, whose polls are timed."""

    def __init__(
        self, factory: Factory, ground: Ground, number: int, read: Read, stack: ExitStack
    ) -> None:
        public = ground.publics[0]
        server = stack.enter_context(Listening(ground.quiet(), lambda: START, None))
        self._world = _Watched(
            public,
            ground.owner(number),
            entropy=Entropy(b"%d" % ground.seed),
            start=START,
            addresses={public.host: "127.0.0.1"},
            relay=stack.enter_context(Relay(server.address)),
        )
        self._world.read = read
        self._client = factory(self._world)
        self._read = read

    def poll(self) -> Timed:
        """Poll once and give how long it took."""
        self._world.forget()
        began = self._read()
        self._client.poll()
        ended = self._read()
        first = self._world.first
        return Timed(((first or ended) - began) / 1000, (ended - began) / 1000)


class _Watched(SocketWorld):
    """A world that notes when the first byte of a poll is sent."""

    read: Read
    first: int | None = None

    def forget(self) -> None:
        """Wait for the first byte of another poll."""
        self.first = None

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and watch what is sent."""
        return _WatchedStream(super().connect(address, port, tls), self)


class _WatchedStream:
    def __init__(self, inner: Stream, world: _Watched) -> None:
        self._inner = inner
        self._world = world

    def send(self, data: bytes) -> None:
        if self._world.first is None:
            self._world.first = self._world.read()
        self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        return self._inner.recv(limit)

    def close(self) -> None:
        self._inner.close()


def time_polls(
    factory: Factory,
    ground: Ground,
    samples: int,
    read: Read,
    tell: Callable[[str, int, int], None],
) -> tuple[list[Timed], list[Timed]]:
    """Let the phones of two owners poll so often each, in an order that is drawn."""
    timed: tuple[list[Timed], list[Timed]] = ([], [])
    tape = Tape(f"{ground.seed} order".encode())
    left = [samples, samples]
    with ExitStack() as stack:
        phones = [_Phone(factory, ground, number, read, stack) for number in range(2)]
        for phone in phones:
            phone.poll()  # the first poll fetches what the ROM does not hold
        for done in range(1, 2 * samples + 1):
            turn = int(tape.below(sum(left)) >= left[0])
            left[turn] -= 1
            timed[turn].append(phones[turn].poll())
            tell("polls", done, 2 * samples)
    return timed
