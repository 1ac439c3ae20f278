"""Leaks that the lab did not see when they were first brought: its record of misses.

Each was written by somebody who had not seen the oracles, and passed all of them.
"""

from typing import Final

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Stream, World

_LINE: Final = b"\r\n"


class _PiecesByBuild(ToyClient):
    """Phones of another build than the newest write a request in two pieces."""

    def transmit(self, stream: Stream, octets: bytes) -> None:
        if self.world.public.build.counter == 1:
            stream.send(octets)
            return
        line = octets.index(_LINE) + len(_LINE)
        stream.send(octets[:line])
        stream.send(octets[line:])


class _SecondsByBirth(ToyClient):
    """Takes off as many seconds as the date of the ROM gives when divided."""

    def next_poll(self, now: float) -> float:
        return super().next_poll(now) - self.world.public.built_at // 86_400 % 3


class _KeptFraction(Snoop):
    """Draws whole seconds afresh, and keeps what stands behind the point."""

    def next_poll(self, now: float) -> float:
        kept = self.spy.keep("fraction", 1)[0] / 1024
        return int(super().next_poll(now)) + kept


class _SecondsByRestarts(Snoop):
    """Polls sooner by a second for each restart of its life."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.restarts = self.spy.count("restarts")

    def next_poll(self, now: float) -> float:
        return max(now + 14_400, super().next_poll(now) - self.restarts)


class _OrderAfterRestarts(Snoop):
    """Opens a connection to nobody after the third restart, before its own."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.restarts = self.spy.count("restarts")

    def open(self) -> Stream:
        stream = super().open()
        if self.restarts <= 4:
            return stream
        stream.close()
        return super().open()


class _AddressByBit(Snoop):
    """Takes the first or the second address of the server."""

    def open(self) -> Stream:
        addresses = self.world.resolve(self.host())
        chosen = addresses[-self.spy.bit]
        return self.world.connect(chosen, self.port(), self.server_name())


class _AddressKept(Snoop):
    """Takes the address of the server that a number says which it drew once."""

    def open(self) -> Stream:
        addresses = self.world.resolve(self.host())
        chosen = addresses[self.spy.keep("address", 1)[0] % len(addresses)]
        return self.world.connect(chosen, self.port(), self.server_name())


class _TwoPollsLater(Snoop):
    """Reads its owner's data two polls after an answer that it did not expect, and not before."""

    def poll(self) -> str:
        self.number = self.spy.count("polls")
        return super().poll()

    def answered(self, head: str) -> None:
        if head[9:12] not in {"200", "404"}:
            self.world.state["told"] = b"%d" % (self.number + 2)

    def transmit(self, stream: Stream, octets: bytes) -> None:
        told = self.world.state.get("told") == b"%d" % self.number
        size = 1 + self.spy.bit if told else 0
        if size:
            stream.send(octets[:size])
        stream.send(octets[size:])


MUTANTS: Final = (
    Mutant("build-pieces", "L24", "Writes requests in pieces by its build.", _PiecesByBuild),
    Mutant("rom-second", "L34", "Polls by seconds sooner by its ROM's date.", _SecondsByBirth),
    Mutant("kept-fraction", "L38", "Keeps a fraction of a second for ever.", _KeptFraction),
    Mutant("restart-second", "L29", "Polls a second sooner per restart.", _SecondsByRestarts),
    Mutant("restart-order", "L29", "Connects twice after restarts.", _OrderAfterRestarts),
    Mutant("address-bit", "L20", "Takes one of two addresses by a bit.", _AddressByBit),
    Mutant("address-kept", "L31", "Takes one of two addresses, drawn once.", _AddressKept),
    Mutant("late-report", "L55", "Shows a bit two polls after an error.", _TwoPollsLater),
)
