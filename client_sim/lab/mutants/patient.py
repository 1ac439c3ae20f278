"""Leaks that the lab missed because they wait longer than its runs took, or elsewhere.

None of them reads its owner's data, and each byte is one that phones send. What they show is a
number that each of them drew once, an ETag, or that there was a message.
"""

import hmac
import multiprocessing.util
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Final

from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.mutants.beneath import LeakingWorld, leak_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import Snoop
from client_sim.transport import BLOCK, Connection
from client_sim.world import Event, Stream, World

_LONGEST: Final = 28_800
_LIMIT: Final = 5_000_000
_AT_IMPORT: Final = os.urandom(8)  # noqa: TID251  # it leaks
_OF_PROCESS: Final[dict[str, bytes]] = {}


def _split(stream: Stream, data: bytes, number: int) -> None:
    stream.send(data[: 1 + number % 40])
    stream.send(data[1 + number % 40 :])


def _set_low_bit(now: float, due: float, key: bytes, poll: int) -> float:
    """Give an interval its parity: a digest of the number of the poll under a key."""
    bit = hmac.digest(key, b"%d" % poll, "sha256")[0] & 1
    other = due + ((int(due - now) ^ bit) & 1)
    return other if other <= now + _LONGEST else other - 2


class _Patient(Snoop):
    number = 0

    def poll(self) -> str:
        self.number = self.spy.count("polls")
        self.spy.keep("number", 8)
        return super().poll()

    def is_time(self) -> bool:
        """Whether this poll is one of those that show the number."""
        return False

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.is_time():
            _split(stream, data, self.spy.keep("number", 8)[0])
        else:
            super().transmit(stream, data)


class _Poll77(_Patient):
    def is_time(self) -> bool:
        return self.number == 77


class _BehindFailure(_Patient):
    def is_time(self) -> bool:
        return self.world.state.pop("failed", None) is not None

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.world.state["failed"] = b"1"


class _LongBehindFailure(_Patient):
    def is_time(self) -> bool:
        return self.world.state.get("failed") == b"%d" % (self.number - 9)

    def answered(self, head: str) -> None:
        if head[9:12] not in {"200", "404"}:
            self.world.state["failed"] = b"%d" % self.number


class _AfterYears(_Patient):
    def is_time(self) -> bool:
        born = self.world.state.setdefault("born", b"%d" % self.world.now())
        return self.world.now() - int(born) > 4e7


class _TenPollsLater(_Patient):
    def is_time(self) -> bool:
        return self.world.state.get("message") == b"%d" % (self.number - 10)

    def on_event(self, event: Event) -> None:
        if event.name == "sms-received":
            self.world.state["message"] = b"%d" % self.number


class _LateBits(_Patient):
    first = 8

    def draw(self, now: float) -> float:
        due = super().draw(now)
        key = self.key()
        return _set_low_bit(now, due, key, self.number) if self.number >= self.first else due

    def key(self) -> bytes:
        """Return what the bits follow from."""
        return self.spy.keep("number", 8)


class _ModelBits(_LateBits):
    def key(self) -> bytes:
        return self.world.public.codename.encode()


class _LateEtag(_LateBits):
    def answered(self, head: str) -> None:
        lines = (line for line in head.splitlines() if line.lower().startswith("etag:"))
        self.world.state.setdefault("etag", next(lines, "").encode())

    def key(self) -> bytes:
        return self.world.state.get("etag", b"")


class _DrawnAtImport(_LateBits):
    first = 1

    def key(self) -> bytes:
        return _AT_IMPORT


class _KeptByProcess(_LateBits):
    first = 1

    def key(self) -> bytes:
        return _OF_PROCESS.setdefault("key", self.world.entropy(8))


class _BehindRoots(LeakingWorld):
    """The transport of the real client counts the roots that the client has held."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        number = Spy(self.outer).keep("number", 8)[0]
        if b"/metadata/4.root.json" in data:
            _split(stream, data, number)
        else:
            super().transmit(stream, data)


class _LateFollower(FollowingToy):
    """Asks as if nothing were ever new, and follows from its twentieth poll on."""

    def follow(self, connection: Connection) -> None:
        spy = Spy(self.world)
        spy.keep("number", 8)
        if spy.count("polls") >= 20:
            super().follow(connection)
            return
        connection.get_if_there("/metadata/2.root.json", limit=_LIMIT)
        connection.get("/metadata/timestamp.json", limit=_LIMIT)

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        chosen = super().choose(parts, held)
        return chosen[: len(chosen) - Spy(self.world).keep("number", 8)[0] % 4]


class _PackageBehindRoot(FollowingToy):
    """Asks for a package that is not offered, once it has seen another root."""

    def follow(self, connection: Connection) -> None:
        number = Spy(self.world).keep("number", 8)
        super().follow(connection)
        if self.load("versions")["root"] > 1:
            public = self.world.public
            folder = f"/targets/{public.codename}/{public.region}/{public.channel}"
            name = f"{sha256(number).hexdigest()}.{public.codename}-2-full.zip"
            connection.get_block(f"{folder}/{name}", 0, BLOCK)


class _AskedForShow(Snoop):
    def open(self) -> Stream:
        self.world.resolve(self.host())
        return self.world.connect("203.0.113.9", self.port(), self.server_name())


def _behind_each_poll(act: Callable[[World], None]) -> type[Snoop]:
    class Client(Snoop):
        def poll(self) -> str:
            outcome = super().poll()
            with suppress(OSError):
                act(self.world)
            return outcome

    return Client


def _begin_process(_world: World) -> None:
    multiprocessing.util.spawnv_passfds(b"/bin/true", [b"/bin/true"], ())


def _wait_for_nobody(world: World) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(Spy(world).keep("pause", 1)[0] / 1e5 + 1e-6)
        one.recv(1)


MUTANTS: Final = (
    Mutant("kept-poll-77", "L31", "Shows a number that it drew once, in poll 77.", _Poll77),
    Mutant("kept-years", "L31", "Shows it when it is over a year old.", _AfterYears),
    Mutant("kept-failure", "L31", "Shows it in the request behind a failure.", _BehindFailure),
    Mutant(
        "kept-failure-late",
        "L55",
        "Shows it nine polls behind a failure.",
        _LongBehindFailure,
        only=("faults",),
    ),
    Mutant(
        "kept-roots-beneath",
        "L31",
        "Shows it when the third new root has come.",
        leak_beneath(_BehindRoots),
        only=("fleet",),
    ),
    Mutant(
        "kept-package",
        "L31",
        "Shows it in the name of a package, once there is another root.",
        _PackageBehindRoot,
        only=("fleet",),
    ),
    Mutant(
        "kept-bits",
        "L37",
        "Drew a key once that the parities of intervals follow from, from the eighth on.",
        _LateBits,
        only=("timing",),
    ),
    Mutant(
        "model-bits",
        "L37",
        "The same, of its model, from the eighth poll on.",
        _ModelBits,
        only=("timing",),
    ),
    Mutant(
        "etag-bits",
        "L41",
        "The same, of the first ETag that it was told.",
        _LateEtag,
        only=("server-state",),
    ),
    Mutant("message-late", "L39", "Is in pieces ten polls behind a message.", _TenPollsLater),
    Mutant("late-follower", "L56", "Follows from poll 20 on, but for some parts.", _LateFollower),
    Mutant(
        "import-bits",
        "L09",
        "Drew the key when it was imported.",
        _DrawnAtImport,
        only=("determinism",),
    ),
    Mutant(
        "process-bits",
        "L31",
        "Has one key for as long as its process.",
        _KeptByProcess,
        only=("determinism",),
    ),
    Mutant("asked-for-show", "L22", "Asks for the name, and goes elsewhere.", _AskedForShow),
    Mutant("detour-process", "L55", "Begins a process unheard.", _behind_each_poll(_begin_process)),
    Mutant(
        "pause-socket",
        "L31",
        "Waits at a socket of its own, for a time that it drew once.",
        _behind_each_poll(_wait_for_nobody),
    ),
)
