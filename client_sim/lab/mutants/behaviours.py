"""Leaks that no row of the table can say: clients that poll, connect or draw in another way."""

import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.device.client import PollingClient
from client_sim.lab.mutants import encodings, outside
from client_sim.lab.mutants.beneath import LeakingWorld, leak_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Event, Stream

_AT_IMPORT: Final = os.urandom(8)  # noqa: TID251  # it leaks
_OF_PROCESS: Final[dict[str, bytes]] = {}


class _AtMessages(Snoop):
    def on_event(self, event: Event) -> None:
        if event.name == "sms-received":
            self.poll()


class _AtCallsAround(PollingClient):
    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name.startswith("call-"):
            self.poll()


class _Stubborn(Snoop):
    broke = False

    def poll(self) -> str:
        for _ in range(1 + len(self.spy.owner.contacts) % 4):
            self.broke = False
            outcome = super().poll()
            if not self.broke:
                break
        return outcome

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.broke = True


class _Replayed(LeakingWorld):
    def entropy(self, n: int) -> bytes:
        return self.spy.keep(f"bytes {n}", n)


class _Session(Snoop):
    """Says one fresh value in all requests of a poll."""

    session = ""

    def poll(self) -> str:
        self.session = self.world.entropy(8).hex()
        return super().poll()

    def headers(self) -> Sequence[str]:
        return (*super().headers(), f"X-Session: {self.session}")


class _Ticket(Snoop):
    """Sends, ahead of whatever is asked, what stands for the last session."""

    def open(self) -> Stream:
        stream = super().open()
        if ticket := self.world.state.get("ticket"):
            stream.send(ticket)
        return stream

    def answered(self, head: str) -> None:
        super().answered(head)
        self.world.state["ticket"] = sha256(head.encode("latin-1")).digest()[:16]


class _HangsOn(Snoop):
    def hang_up(self, stream: Stream) -> None:
        del stream


class _OneForDays(_HangsOn):
    kept: Stream | None = None

    def open(self) -> Stream:
        if self.kept is None:
            self.kept = super().open()
        return self.kept

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.kept = None


class _SecondForPush(Snoop):
    push: Stream | None = None

    def poll(self) -> str:
        if self.push is None:
            self.push = self.open()
        return super().poll()


class _NeverClosing(LeakingWorld):
    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        return _Unending(super().connect(address, port, tls))


class _Unending:
    def __init__(self, inner: Stream) -> None:
        self.send = inner.send
        self.recv = inner.recv

    def close(self) -> None:
        """Stay open."""


class _AbsentClose(_HangsOn):
    def hang_up(self, stream: Stream) -> None:
        if not self.spy.bit:
            stream.close()


class _AbsentPoll(Snoop):
    def poll(self) -> str:
        if self.spy.count("polls") % 2 and self.spy.bit:
            return "not today"
        return super().poll()


class _KeyServed(Snoop):
    """Fetches a key that the server may have made for it alone, and says which it holds."""

    def paths(self) -> Sequence[str]:
        return ("/ohttp-keys", *super().paths())

    def took(self, body: bytes) -> None:
        super().took(body)
        if "keys" not in self.world.state and body:
            self.world.state["keys"] = sha256(body).hexdigest()[:16].encode()

    def headers(self) -> Sequence[str]:
        key = self.world.state.get("keys", b"").decode()
        return (*super().headers(), *((f"X-Key: {key}",) if key else ()))


class _PlainAfterFailure(Snoop):
    """Tries again without TLS, where a carrier adds the calling number."""

    broke = False

    def failed(self, error: OSError) -> None:
        super().failed(error)
        if not self.broke:
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


class _DrawnAtImport(Snoop):
    """Gives each interval a parity that follows from a key; the lab imports its module anew."""

    def poll(self) -> str:
        self.spy.begin_poll()
        return super().poll()

    def draw(self, now: float) -> float:
        bit = encodings.POLL_BIT.encode(self.spy, self.key())
        return outside.INTERVAL_PARITY.put(bit, now, super().draw(now))

    def key(self) -> bytes:
        return _AT_IMPORT


class _KeptByProcess(_DrawnAtImport):
    def key(self) -> bytes:
        return _OF_PROCESS.setdefault("key", self.world.entropy(8))


MUTANTS: Final = (
    Mutant("activity-message", "L39", "Polls when a message comes.", _AtMessages),
    Mutant("activity-call-around", "L39", "The real client polls at each call.", _AtCallsAround),
    Mutant(
        "burst-retries",
        "L40",
        "Tries again after a failure, as often as the number of contacts says.",
        _Stubborn,
    ),
    Mutant("session-of-poll", "L32", "A fresh value in all requests of a poll.", _Session),
    Mutant(
        "phase-replayed-around",
        "L38",
        "The real client's source of randomness gives the same bytes for ever.",
        leak_beneath(_Replayed),
    ),
    Mutant(
        "resumed-early",
        "L47",
        "Begins with a ticket that it made of the last connection's answers.",
        _Ticket,
    ),
    Mutant("hangs-on", "L49", "Opens a connection for each poll and closes none.", _HangsOn),
    Mutant("one-for-days", "L49", "Makes all its polls on one connection.", _OneForDays),
    Mutant("second-push", "L49", "Holds a second connection open, for news.", _SecondForPush),
    Mutant(
        "hangs-on-around",
        "L49",
        "Below the real client, nothing is ever closed.",
        leak_beneath(_NeverClosing),
    ),
    Mutant("key-served", "L50", "Says which key a server gave it.", _KeyServed),
    Mutant(
        "plain-after-failure",
        "L54",
        "Tries again without TLS, where a carrier adds the calling number.",
        _PlainAfterFailure,
    ),
    Mutant("absent-close", "higher-order", "Closes its connections or not, a bit.", _AbsentClose),
    Mutant("absent-poll", "higher-order", "Leaves out every other poll, a bit.", _AbsentPoll),
)

PATIENT: Final = (
    Mutant(
        "import-bits",
        "L09",
        "Drew a key when it was imported that the parities of intervals follow from.",
        _DrawnAtImport,
        only=("determinism",),
    ),
    Mutant(
        "process-bits",
        "L31",
        "The same, with a key that it has for as long as its process.",
        _KeptByProcess,
        only=("determinism",),
    ),
)
"""What passed the judges once."""
