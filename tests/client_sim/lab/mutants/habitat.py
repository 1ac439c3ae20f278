"""A phone's environment, whole and replaceable: owner, randomness, clock, server, what happens."""

import functools
import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

from client_sim.lab.clients.downloading import LENGTH
from client_sim.owner_events.events import Kind, describe
from client_sim.persona import Account, Call, Contact, Message, Note, Persona, Photo, WifiNetwork
from client_sim.persona import make_persona as make
from client_sim.world import Public
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import DAY, START, Repository

# Signed so late that nothing expires within a week.
REPOSITORY = Repository(START + 6 * DAY)
PUBLIC = make_public(REPOSITORY)
OWNERS = tuple(make(b"habitat %d" % number) for number in range(8))
EVENTS = tuple(kind.value for kind in Kind if kind not in {Kind.REBOOT, Kind.FACTORY_RESET})
IDLE = ("poll", "poll", "reboot", "poll", "poll")
STEPS = ("poll", *EVENTS, "poll", "reboot", "poll", "poll")

_LINE = re.compile(rb"[A-Z]+ (\S*) HTTP/1\.[01]\r?\n")
_PATH = re.compile(rb"/(?:metadata|log|targets)/[A-Za-z0-9._/-]+")
_TRAPS = re.compile(rb"\r\n(?:ETag|Set-Cookie|Retry-After): [^\r]*")
_KINDS = {kind.value: kind for kind in Kind}


def _edge(text, number, times):
    """Make an owner with the same text everywhere, the same number, and so many of everything."""
    values = {"str": text, "int": number}
    lists = {
        "accounts": Account(text, text),
        "contacts": Contact(text, text, text),
        "calls": Call(text, True, number, number),
        "messages": Message("sms", text, True, number, text),
        "notes": Note(text, text),
        "photos": Photo(text, text, text, number),
        "networks": WifiNetwork(text, text),
        "apps": text,
    }
    return Persona(
        **{
            each.name: (lists[each.name],) * times
            if each.name in lists
            else values[getattr(each.type, "__name__", each.type)]
            for each in fields(Persona)
        }
    )


EDGES = {
    "nobody": _edge("", 0, 0),
    "empty members": _edge("", -1, 1),
    "one letter": _edge("7", 1, 1),
    "strange letters": _edge("Łódź \N{SNOWMAN}\N{ARABIC-INDIC DIGIT SEVEN}", 2**53 - 1, 2),
    "much": _edge("9" * 4096, 10**9, 400),
}


@dataclass(frozen=True)
class Asked:
    """What a server is asked: a path, in the so many-th poll."""

    path: bytes
    poll: int


Serve = Callable[[Asked], bytes]
"""A server: gives an answer; raises OSError where the connection breaks."""


def serve_well(asked: Asked) -> bytes:
    """Answer as a server should, with no line that could come back."""
    return _answer(asked.path)


@functools.cache
def _answer(path: bytes) -> bytes:
    if path.startswith(b"/targets/"):
        # Of a block no more comes than this: whoever resumes has something to resume.
        head = b"HTTP/1.1 206 x\r\nContent-Range: bytes 0-8388607/%d\r\n" % LENGTH
        return head + b"Content-Length: 8388608\r\n\r\n" + b"." * 5_000
    if path == b"/ohttp-keys":
        return b"HTTP/1.1 200 x\r\nContent-Length: 4\r\n\r\nkeys"
    return _ask(REPOSITORY, path)


def _ask(repository: Repository, path: bytes) -> bytes:
    return _TRAPS.sub(b"", repository.answer(b"GET %s HTTP/1.1" % path))


def serve_from(repository: Repository) -> Serve:
    """Make a server for another repository."""
    return lambda asked: _ask(repository, asked.path)


def serve_with(*lines: bytes, status: bytes = b"") -> Serve:
    """Make a server that adds header lines to each answer, and says another status for root."""

    def serve(asked: Asked) -> bytes:
        answer = serve_well(asked)
        if status and b".root." in asked.path:
            answer = answer.replace(b"404 Not Found", status, 1)
        return answer.replace(b"\r\n", b"\r\n" + b"".join(line + b"\r\n" for line in lines), 1)

    return serve


def serve_failing(serve: Serve, polls: tuple[int, ...], error: OSError | bytes) -> Serve:
    """Make a server that answers so, or breaks, in the polls of these numbers."""

    def failing(asked: Asked) -> bytes:
        if asked.poll not in polls:
            return serve(asked)
        if isinstance(error, OSError):
            raise error
        return error

    return failing


@dataclass(frozen=True)
class Lot:
    """Everything that a phone's traces may depend on."""

    owner: Persona = OWNERS[0]
    seed: bytes = b"seed"
    start: int = START
    public: Public = PUBLIC
    serve: Serve = serve_well
    steps: tuple[str, ...] = STEPS

    def but(self, **changes) -> "Lot":
        """Give this lot with changes."""
        return replace(self, **changes)


@dataclass
class Trace:
    """What left: (poll, seconds since the start, what, bytes); and how much was drawn."""

    left: list[tuple[int, float, str, bytes]] = field(default_factory=list)
    draws: list[tuple[int, int]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    crash: str = ""

    @property
    def whole(self):
        """Give it all, with times and the crash that ended it."""
        return (*self.left, self.crash)

    @property
    def data(self):
        """Give what was asked, connected to and sent, without times."""
        return tuple((poll, what, data) for poll, _, what, data in self.left if what != "due")

    def of_poll(self, poll):
        """Give what left in a poll, without times."""
        return tuple((what, data) for number, what, data in self.data if number == poll)

    @property
    def gaps(self):
        """Give the seconds from each poll to the next."""
        return [float(data) - at for _, at, what, data in self.left if what == "due"]

    @property
    def said(self):
        """Give all bytes of names, targets and requests, joined."""
        return b"\n".join(data for _, _, data in self.data)


class _World:
    def __init__(self, lot: Lot) -> None:
        self.public = lot.public
        self.personal = lot.owner
        self.state = {}
        self.lot = lot
        self.clock = float(lot.start)
        self.poll = 0
        self.trace = Trace()
        self._draws = itertools.count()
        self._connections = {}

    def entropy(self, n):
        place = next(self._draws)
        self.trace.draws.append((self.poll, n))
        return hashlib.shake_256(b"%s %d" % (self.lot.seed, place)).digest(n)

    def now(self):
        return self.clock

    def resolve(self, host):
        self.note("question", host.encode())
        return ["198.51.100.7"]

    def connect(self, address, port, tls):
        number = self._connections[self.poll] = self._connections.get(self.poll, 0) + 1
        self.note(f"target {number}", f"{address} {port} {tls}".encode())
        return _Stream(self, self.poll, number)

    def note(self, what, data):
        self.trace.left.append((self.poll, self.clock - self.lot.start, what, data))


class _Stream:
    def __init__(self, world: _World, poll: int, number: int) -> None:
        self._world = world
        self._poll = poll
        self._number = number
        self._asked = self._answers = b""

    def send(self, data):
        self._note("octets", bytes(data))
        self._asked += data

    def recv(self, limit):
        targets, self._asked = _LINE.findall(self._asked), b""
        for target in targets:
            path = _PATH.search(target)
            found = path.group() if path else target.partition(b"?")[0]
            self._answers += self._world.lot.serve(Asked(found, self._world.poll))
        taken, self._answers = self._answers[:limit], self._answers[limit:]
        return taken

    def close(self):
        self._note("close", b"")

    def _note(self, what, data):
        # A connection is known by its place in its poll, and by that poll if it is an earlier one.
        since = "" if self._poll == self._world.poll else f" since poll {self._poll}"
        self._world.note(f"{what} {self._number}{since}", data)


def lead(factory, lot: Lot) -> Trace:
    """Lead a life: polls when they are due, and what happens in between; a crash ends it."""
    world = _World(lot)
    try:
        _lead(factory, lot, world)
    except Exception as error:  # noqa: BLE001  # some clients crash on purpose
        world.trace.crash = type(error).__name__
    return world.trace


def _lead(factory, lot, world):
    client = factory(world)
    due = world.clock
    for step in lot.steps:
        if step == "poll":
            world.clock = max(world.clock, due)
            world.poll += 1
            world.trace.outcomes.append(str(client.poll()))
            due = client.next_poll(world.clock)
            world.note("due", repr(due - lot.start).encode())
        elif step.startswith("off "):
            world.clock += float(step.removeprefix("off "))
            client = factory(world)
        elif step == "reboot":
            client = factory(world)
        else:
            world.clock += max(0.0, due - world.clock) / 4
            client.on_event(describe(_KINDS[step], lot.owner))
