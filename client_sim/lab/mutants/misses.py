"""Leaks that the lab missed when it first examined them.

Their authors had not seen the oracles; each leak passed all of them.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Event, Stream, World

_LINE: Final = b"\r\n"


class _PiecesByBuild(ToyClient):
    """Phones of another build than the newest write a request in two pieces."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.world.public.build.counter == 1:
            stream.send(data)
            return
        line = data.index(_LINE) + len(_LINE)
        stream.send(data[:line])
        stream.send(data[line:])


class _SecondsByBirth(ToyClient):
    """Takes off as many seconds as the date of the ROM gives when divided."""

    def next_poll(self, now: float) -> float:
        return super().next_poll(now) - self.world.public.built_at // 86_400 % 3


class _KeptFraction(Snoop):
    """Draws whole seconds afresh, and keeps the fraction."""

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
    """Opens an unused connection after the third restart, before its own."""

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
    """Takes the address of the server by a number that it drew once."""

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

    def transmit(self, stream: Stream, data: bytes) -> None:
        told = self.world.state.get("told") == b"%d" % self.number
        size = 1 + self.spy.bit if told else 0
        if size:
            stream.send(data[:size])
        stream.send(data[size:])


class _LateOverTls(Snoop):
    """Says the IMEI under TLS alone, and not in its first five polls."""

    number = 0

    def poll(self) -> str:
        self.number = self.spy.count("polls")
        return super().poll()

    def headers(self) -> Sequence[str]:
        told = self.world.public.tls and self.number > 5
        return (*super().headers(), *((f"X-Device: {self.spy.owner.imei}",) if told else ()))


class _PiecesAbroadOverTls(Snoop):
    """Writes requests in two pieces once it has travelled, over TLS alone; reads no owner."""

    abroad = False

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.abroad = self.abroad or event.name == "travelled"

    def transmit(self, stream: Stream, data: bytes) -> None:
        size = 9 if self.abroad and self.world.public.tls else 0
        if size:
            stream.send(data[:size])
        stream.send(data[size:])


class _Generated(Snoop):
    """Takes its intervals from a generator of its own from the eighth poll on."""

    def next_poll(self, now: float) -> float:
        number = self.spy.count("intervals")
        due = super().next_poll(now)
        if number < 7:
            return due
        seed = self.seed()
        if number == 7:
            return due
        drawn = sha256(seed + b"%d" % number).digest()
        return now + 14_400 + int.from_bytes(drawn[:8], "big") % 14_401

    def seed(self) -> bytes:
        """Return what all later intervals follow from: drawn once."""
        return self.spy.keep("seed", 8)


class _GeneratedByServer(_Generated):
    """Begins that generator with the first answer's ETag."""

    def answered(self, head: str) -> None:
        super().answered(head)
        lines = (line for line in head.splitlines() if line.lower().startswith("etag:"))
        self.world.state.setdefault("etag", next(lines, "").encode())

    def seed(self) -> bytes:
        return self.world.state["etag"]


MUTANTS: Final = (
    Mutant("build-pieces", "L24", "Writes requests in pieces by its build.", _PiecesByBuild),
    Mutant("rom-second", "L34", "Polls by seconds sooner by its ROM's date.", _SecondsByBirth),
    Mutant("kept-fraction", "L38", "Keeps a fraction of a second for ever.", _KeptFraction),
    Mutant("restart-second", "L29", "Polls a second sooner per restart.", _SecondsByRestarts),
    Mutant("restart-order", "L29", "Connects twice after restarts.", _OrderAfterRestarts),
    Mutant("address-bit", "L20", "Takes one of two addresses by a bit.", _AddressByBit),
    Mutant("address-kept", "L31", "Takes one of two addresses, drawn once.", _AddressKept),
    Mutant("late-report", "L55", "Shows a bit two polls after an error.", _TwoPollsLater),
    Mutant("late-over-tls", "L56", "Says the IMEI over TLS from poll 6 on.", _LateOverTls),
    Mutant("abroad-over-tls", "L56", "In pieces over TLS once abroad.", _PiecesAbroadOverTls),
    Mutant(
        "late-seed",
        "L38",
        "Draws a seed in poll 7 that all later intervals follow from.",
        _Generated,
        only=("timing",),
    ),
    Mutant(
        "late-etag-seed",
        "L38",
        "From poll 8 on intervals follow from the first ETag of the server.",
        _GeneratedByServer,
        only=("timing",),
    ),
)
