"""What an encrypted connection shows, or one that is not encrypted (L47, L48, L54).

A world of this lab shows TLS as the server name and the port of a connection.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import digit
from client_sim.lab.mutants.telling import Snoop, add_line
from client_sim.world import Event, Stream

_TLS: Final = 443


class _Secure(Snoop):
    """Always speaks TLS, to the name that a subclass gives."""

    def name(self) -> str:
        return self.world.public.host

    def port(self) -> int:
        return _TLS

    def open(self) -> Stream:
        address = self.world.resolve(self.world.public.host)[0]
        return self.world.connect(address, self.port(), self.name())


class _Resumed(_Secure):
    def name(self) -> str:
        return f"{self.spy.keep('session', 8).hex()}.{self.world.public.host}"


class _Ticket(Snoop):
    def open(self) -> Stream:
        stream = super().open()
        # Early data: what stands for the last session goes ahead of whatever is asked.
        if ticket := self.world.state.get("ticket"):
            stream.send(ticket)
        return stream

    def answered(self, head: str) -> None:
        super().answered(head)
        self.world.state["ticket"] = sha256(head.encode("latin-1")).digest()[:16]


class _FullOnce(Snoop):
    def open(self) -> Stream:
        if "session" not in self.world.state:
            self.hang_up(super().open())
            self.world.state["session"] = b"held"
        return super().open()


class _CaseOfName(_Secure):
    def name(self) -> str:
        host = self.world.public.host
        return "".join(
            letter.upper() if digit(self.spy.owner.imei, place) % 2 else letter
            for place, letter in enumerate(host)
        )


class _DotBehindName(_Secure):
    def name(self) -> str:
        return self.world.public.host + "." * self.spy.bit


class _DoorByDigit(_Secure):
    def port(self) -> int:
        return 8443 if digit(self.spy.owner.android_id, 3) % 2 else _TLS


class _NameOfCarrier(_Secure):
    def name(self) -> str:
        carrier = "-".join(self.spy.owner.carrier.lower().split())
        return f"{carrier}.{self.world.public.host}"


class _NameAround(Around):
    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        del tls  # This library encrypts whatever it is asked for.
        name = self.public.host if self.spy.bit else self.public.host.upper()
        return super().connect(address, port, name)


class _PlainAfterFailure(Snoop):
    broke = False

    def failed(self, error: OSError) -> None:
        super().failed(error)
        if self.broke:
            return
        self.broke = True
        self.poll()
        self.broke = False

    def open(self) -> Stream:
        if not self.broke:
            return super().open()
        return self.world.connect(self.world.resolve(self.world.public.host)[0], 80, None)

    def headers(self) -> Sequence[str]:
        number = self.spy.owner.phone_number
        injected = (f"X-Up-Calling-Line-Id: {number}",) if self.broke else ()
        return (*super().headers(), *injected)


class _Injected(Snoop):
    def headers(self) -> Sequence[str]:
        plain = not self.world.public.tls
        injected = (f"X-IMSI: {self.spy.owner.imsi}",) if plain else ()
        return (*super().headers(), *injected)


class _PlainAbroad(Snoop):
    abroad = False

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.abroad = self.abroad or event.name == "travelled"

    def open(self) -> Stream:
        if not self.abroad:
            return super().open()
        gateway = "wap.example.org"
        return self.world.connect(self.world.resolve(gateway)[0], 9201, None)


class _InjectedAround(Around):
    def transmit(self, stream: Stream, data: bytes) -> None:
        line = f"X-MSISDN: {self.spy.owner.phone_number}"
        stream.send(data if self.public.tls else add_line(data, line))


MUTANTS: Final = (
    Mutant("resumed-name", "L47", "Names its kept session in front of the host.", _Resumed),
    Mutant(
        "resumed-early",
        "L47",
        "Begins with a ticket that it made of the last connection's answers.",
        _Ticket,
    ),
    Mutant(
        "resumed-full-once",
        "L47",
        "Connects once more on its first day only: later it has a session to go on with.",
        _FullOnce,
    ),
    Mutant("hello-case", "L48", "Spells the server name in the case of the IMEI.", _CaseOfName),
    Mutant("hello-dot", "L48", "Ends the server name with a dot, or not: a bit.", _DotBehindName),
    Mutant("hello-port", "L48", "Goes to one of two ports: a bit of the Android id.", _DoorByDigit),
    Mutant("hello-carrier", "L48", "Greets the front of its carrier.", _NameOfCarrier),
    Mutant(
        "hello-case-around",
        "L48",
        "The real client's TLS library writes the name in capitals for every other owner.",
        _NameAround,
    ),
    Mutant(
        "plain-after-failure",
        "L54",
        "Tries again without TLS, where a carrier adds the calling number.",
        _PlainAfterFailure,
    ),
    Mutant("plain-injected", "L54", "A carrier adds the IMSI to what is not encrypted.", _Injected),
    Mutant("plain-abroad", "L54", "Goes through a gateway once it has travelled.", _PlainAbroad),
    Mutant(
        "plain-injected-around",
        "L54",
        "A carrier adds the number to the real client's requests, which are not encrypted.",
        _InjectedAround,
    ),
)
