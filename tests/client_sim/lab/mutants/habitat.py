"""A phone's environment, whole and replaceable: owner, randomness, clock, server, what happens."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property

from client_sim.lab.clients.following import LENGTH
from client_sim.lab.scenarios.driving import Scenario, run_scenario
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.owner_events.events import Kind
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


@cache
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


_DUE = {Channel.SCHEDULE, Channel.DUE}


@dataclass(frozen=True)
class Trace:
    """What left a phone that was started at some time, which stands for no time at all."""

    seen: Observation
    start: float

    @cached_property
    def whole(self):
        """Give it all, with times and the crash that ended it."""
        return tuple(
            (d.phase, d.at - self.start, d.channel, d.connection, self._data(d))
            for d in self.seen.departures
        )

    def _data(self, departure):
        is_time = departure.channel in _DUE
        return float(departure.data) - self.start if is_time else departure.data

    @property
    def data(self):
        """Give what was asked, connected to and sent through the world, without times."""
        left = [d for d in self.seen.departures if d.channel not in {*_DUE, Channel.DETOUR}]
        return tuple((d.phase, d.channel, d.connection, d.data) for d in left)

    def of_poll(self, poll):
        """Give what left in a poll, without times."""
        return tuple(data for phase, _, _, data in self.data if phase == f"poll {poll}")

    @property
    def detours(self):
        """Give what was tried past the world."""
        return [d.data for d in self.seen.departures if d.channel is Channel.DETOUR]

    @property
    def gaps(self):
        """Give the seconds from each poll to the next."""
        left = self.seen.departures
        return [float(d.data) - d.at for d in left if d.channel is Channel.SCHEDULE]

    @property
    def said(self):
        """Give all bytes of names, targets and requests, joined."""
        return b"\n".join(data for _, _, _, data in self.data)


class _World(MemoryWorld):
    """A world whose server is told the number of the poll, and the path that is asked for."""

    poll = 0

    def __init__(self, lot: Lot) -> None:
        how = {"entropy": Entropy(lot.seed), "start": float(lot.start), "respond": self._serve}
        super().__init__(lot.public, lot.owner, **how)
        self._lot = lot

    def begin_poll(self, poll):
        super().begin_poll(poll)
        self.poll = poll

    def _serve(self, asked):
        answers = b""
        for target in _LINE.findall(asked.data):
            path = _PATH.search(target)
            found = path.group() if path else target.partition(b"?")[0]
            answers += self._lot.serve(Asked(found, self.poll))
        return answers


def lead(factory, lot: Lot) -> Trace:
    """Lead a life: polls when they are due, and what happens in between; a crash ends it."""
    seen = run_scenario(factory, _World(lot), Scenario("a lot", lot.steps), lot.owner)
    return Trace(seen, float(lot.start))
