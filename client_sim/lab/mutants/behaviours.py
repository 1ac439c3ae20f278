"""Leaks that no row can express: clients that poll, connect, draw or request in another way.

Some request what they already hold, which all phones of a vendor may do alike.
"""

import os
import socket
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from zlib import crc32

from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.errors import UnreachableError
from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.mutants import covert, encodings
from client_sim.lab.mutants.mutant import LeakingWorld, mutant_of
from client_sim.lab.mutants.spy import Snoop
from client_sim.world import Event, Stream, World

_AT_IMPORT: Final = os.urandom(8)  # noqa: TID251  # it leaks
_PROCESS_STATE: Final[dict[str, bytes]] = {}


class _AtMessages(Snoop):
    """Polls when a message is received."""

    def on_event(self, event: Event) -> None:
        if event.name == "sms-received":
            self.poll()


class _AtCallsAround(PollingClient):
    """The real client polls at each call."""

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name.startswith("call-"):
            self.poll()


class _Stubborn(Snoop):
    """Retries after a failure, as often as the number of contacts says."""

    has_failed = False

    def poll(self) -> str:
        for _ in range(1 + len(self.spy.owner.contacts) % 4):
            self.has_failed = False
            outcome = super().poll()
            if not self.has_failed:
                break
        return outcome

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.has_failed = True


class _Replayed(LeakingWorld):
    """The real client's source of randomness always returns the same bytes."""

    def entropy(self, n: int) -> bytes:
        return self.spy.draw_once(f"bytes {n}", n)


class _Session(Snoop):
    """Sends the same fresh value in all requests of a poll."""

    session = ""

    def poll(self) -> str:
        self.session = self.world.entropy(8).hex()
        return super().poll()

    def headers(self) -> Sequence[str]:
        return (*super().headers(), f"X-Session: {self.session}")


class _Ticket(Snoop):
    """Begins a connection with a ticket derived from the answers of the previous one."""

    def open(self) -> Stream:
        stream = super().open()
        if ticket := self.world.state.get("ticket"):
            stream.send(ticket)
        return stream

    def answered(self, head: str) -> None:
        super().answered(head)
        self.world.state["ticket"] = sha256(head.encode("latin-1")).digest()[:16]


class _HangsOn(Snoop):
    """Opens a connection for each poll and closes none."""

    def disconnect(self, stream: Stream) -> None:
        del stream


class _OneForDays(_HangsOn):
    """Makes all its polls on one connection."""

    connection: Stream | None = None

    def open(self) -> Stream:
        if self.connection is None:
            self.connection = super().open()
        return self.connection

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.connection = None


class _NeverClosing(LeakingWorld):
    """The real client's transport never closes a connection."""

    def disconnect(self, stream: Stream) -> None:
        del stream


class _ReadsOn(Snoop):
    """Keeps its connection until the server closes it, by a bit of the IMEI."""

    def disconnect(self, stream: Stream) -> None:
        if self.is_odd():
            stream.recv(1)
        super().disconnect(stream)

    def is_odd(self) -> bool:
        """Return the leaked bit."""
        return bool(self.spy.bit)


class _ReadsOnByEvents(_ReadsOn):
    """Keeps its connection until the server closes it, after an odd number of events."""

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.spy.increment("events")

    def is_odd(self) -> bool:
        return bool(int(self.world.state.pop("events", b"0")) % 2)


class _ReadsOnByHost(_ReadsOn):
    """Keeps its connection until the server closes it, by a digest of the host name."""

    def is_odd(self) -> bool:
        return bool(crc32(socket.gethostname().encode()) % 2)


class _AbsentClose(_HangsOn):
    """Closes its connections or not, by a bit of the IMEI."""

    def disconnect(self, stream: Stream) -> None:
        if not self.spy.bit:
            stream.close()


class _AbsentPoll(Snoop):
    """Leaves out every other poll or not, by a bit of the IMEI."""

    def poll(self) -> str:
        if self.spy.increment("polls") % 2 and self.spy.bit:
            return "not today"
        return super().poll()


class _KeyServed(Snoop):
    """Fetches a key that the server may have made for this phone, and reveals which it holds."""

    def paths(self) -> Sequence[str]:
        return ("/ohttp-keys", *super().paths())

    def received_body(self, body: bytes) -> None:
        super().received_body(body)
        if "keys" not in self.world.state and body:
            self.world.state["keys"] = sha256(body).hexdigest()[:16].encode()

    def headers(self) -> Sequence[str]:
        key = self.world.state.get("keys", b"").decode()
        return (*super().headers(), *((f"X-Key: {key}",) if key else ()))


class _PlainAfterFailure(Snoop):
    """Retries without TLS, where a carrier adds the calling number."""

    has_failed = False

    def failed(self, error: OSError) -> None:
        super().failed(error)
        if not self.has_failed:
            self.has_failed = True
            self.poll()
            self.has_failed = False

    def open(self) -> Stream:
        if not self.has_failed:
            return super().open()
        return self.world.connect(self.world.resolve(self.world.public.host)[0], 80, None)

    def headers(self) -> Sequence[str]:
        number = self.spy.owner.phone_number
        injected = (f"X-Up-Calling-Line-Id: {number}",) if self.has_failed else ()
        return (*super().headers(), *injected)


class _DrawnAtImport(Snoop):
    """Derives the parities of intervals from a key that was drawn at import."""

    def poll(self) -> str:
        self.spy.begin_poll()
        return super().poll()

    def draw(self, now: float) -> float:
        bit = encodings.POLL_BIT.encode(self.spy, self.key())
        return covert.INTERVAL_PARITY.put(bit, now, super().draw(now))

    def key(self) -> bytes:
        return _AT_IMPORT


class _KeptByProcess(_DrawnAtImport):
    """Derives the parities of intervals from a key that lasts as long as the process."""

    def key(self) -> bytes:
        return _PROCESS_STATE.setdefault("key", self.world.entropy(8))


class Forgetful(PollingClient):
    """Requests latest again, though it holds it, after a poll that did not reach the server.

    Subclasses forget another role, or for another reason.
    """

    role = "latest"

    def poll(self) -> PollOutcome:
        """Forget the role if `forgets` says so, and poll."""
        if self.forgets():
            self.world.state.pop(f"role.{self.role}", None)
        outcome = super().poll()
        self.world.state["outcome"] = type(outcome.failure).__name__.encode()
        return outcome

    def forgets(self) -> bool:
        """Return whether the role is forgotten: if the previous poll did not reach the server."""
        return self.world.state.get("outcome") == UnreachableError.__name__.encode()


class _BrokenSnapshot(Forgetful):
    """Requests the snapshot again after a poll that failed for any reason."""

    role = "snapshot"

    def forgets(self) -> bool:
        return self.world.state.get("outcome") not in {None, type(None).__name__.encode()}


class _SeldomTargets(Forgetful):
    """Requests targets again in every fifth poll."""

    role = "targets"

    def forgets(self) -> bool:
        number = int(self.world.state.get("number", b"0")) + 1
        self.world.state["number"] = b"%d" % number
        return number % 5 == 0


class _TablesAtStart(PollingClient):
    """Requests tables again after each restart."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.state.pop("role.tables", None)


class _TablesOnceMore(FollowingToy):
    """Requests all parts of tables once more, though it received all of them."""

    def choose(self, parts: Sequence[Part], stored: Sequence[str]) -> Sequence[Part]:
        number = (self.load("looks") or 0) + 1
        self.store("looks", number)
        for role in ("tables", "content"):
            self.store(f"whole {role}", 0)
        return super().choose(parts, [] if number == 5 else stored)


MUTANTS: Final = (
    mutant_of(_AtMessages, "activity-message", "L39"),
    mutant_of(_AtCallsAround, "activity-call-around", "L39"),
    mutant_of(_Stubborn, "burst-retries", "L40"),
    mutant_of(_Session, "session-of-poll", "L32"),
    mutant_of(_Replayed, "phase-replayed-around", "L38"),
    mutant_of(_Ticket, "resumed-early", "L47"),
    mutant_of(_HangsOn, "hangs-on", "L49"),
    mutant_of(_OneForDays, "one-for-days", "L49"),
    mutant_of(_NeverClosing, "hangs-on-around", "L49"),
    mutant_of(_KeyServed, "key-served", "L50"),
    mutant_of(_PlainAfterFailure, "plain-after-failure", "L54"),
    mutant_of(_AbsentClose, "absent-close", "higher-order"),
    mutant_of(_AbsentPoll, "absent-poll", "higher-order"),
    # These read although no answer is pending, so that the connection's duration reveals a bit.
    mutant_of(_ReadsOn, "reads-on-owner", "L49", "personal"),
    mutant_of(_ReadsOnByEvents, "reads-on-events", "L49", "events"),
    mutant_of(_ReadsOnByHost, "reads-on-host", "L49", "machine"),
    # These use a key of their own; earlier versions of the judges did not find them.
    mutant_of(_DrawnAtImport, "import-bits", "L09", "determinism"),
    mutant_of(_KeptByProcess, "process-bits", "L31", "determinism"),
    mutant_of(Forgetful, "latest-after-outage", "again", "faults"),
    mutant_of(_BrokenSnapshot, "snapshot-after-failure", "again", "faults"),
    mutant_of(_SeldomTargets, "targets-now-and-then", "again"),
    mutant_of(_TablesAtStart, "tables-at-start", "again"),
    mutant_of(_TablesOnceMore, "packs-once-more", "again", "stationarity"),
)
