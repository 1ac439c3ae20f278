"""Everything that determines what a phone sends, and runs of a client with it."""

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


def _make_extreme(text, number, times):
    """Make an owner whose texts and numbers are all equal, with lists of `times` entries."""
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


EXTREMES = {
    "no data": _make_extreme("", 0, 0),
    "empty texts": _make_extreme("", -1, 1),
    "one character": _make_extreme("7", 1, 1),
    "not ASCII": _make_extreme("Łódź \N{SNOWMAN}\N{ARABIC-INDIC DIGIT SEVEN}", 2**53 - 1, 2),
    "long texts and lists": _make_extreme("9" * 4096, 10**9, 400),
}
"""Owners with extreme data."""


@dataclass(frozen=True)
class Asked:
    """A request to a server: its path, and the number of the poll."""

    path: bytes
    poll: int


Serve = Callable[[Asked], bytes]
"""A server: returns an answer, or raises OSError if the connection breaks."""


def serve_well(asked: Asked) -> bytes:
    """Answer without any header line that a client could send back."""
    return _answer(asked.path)


@cache
def _answer(path: bytes) -> bytes:
    if path.startswith(b"/targets/"):
        # Only the beginning of a block, so that clients have something to resume.
        head = b"HTTP/1.1 206 x\r\nContent-Range: bytes 0-8388607/%d\r\n" % LENGTH
        return head + b"Content-Length: 8388608\r\n\r\n" + b"." * 5_000
    if path == b"/ohttp-keys":
        return b"HTTP/1.1 200 x\r\nContent-Length: 4\r\n\r\nkeys"
    return _ask(REPOSITORY, path)


def _ask(repository: Repository, path: bytes) -> bytes:
    return _TRAPS.sub(b"", repository.answer(b"GET %s HTTP/1.1" % path))


def serve_from(repository: Repository) -> Serve:
    """Return a server for another repository."""
    return lambda asked: _ask(repository, asked.path)


def serve_with(*lines: bytes) -> Serve:
    """Return a server that adds header lines to each answer."""
    added = b"".join(line + b"\r\n" for line in lines)
    return lambda asked: serve_well(asked).replace(b"\r\n", b"\r\n" + added, 1)


def serve_failing(polls: tuple[int, ...], error: OSError | bytes) -> Serve:
    """Return a server that breaks the connection, or gives another answer, in some polls."""

    def serve(asked: Asked) -> bytes:
        if asked.poll not in polls:
            return serve_well(asked)
        if isinstance(error, OSError):
            raise error
        return error

    return serve


@dataclass(frozen=True)
class Inputs:
    """Everything that a phone's trace may depend on."""

    owner: Persona = OWNERS[0]
    seed: bytes = b"seed"
    start: int = START
    public: Public = PUBLIC
    serve: Serve = serve_well
    steps: tuple[str, ...] = STEPS

    def but(self, **changes) -> "Inputs":
        """Return a copy with some inputs changed."""
        return replace(self, **changes)


_DUE = {Channel.SCHEDULE, Channel.DUE}


@dataclass(frozen=True)
class Trace:
    """Everything that left a phone; times are relative to its start."""

    seen: Observation
    start: float

    @cached_property
    def whole(self):
        """Everything, with times and the crash that ended the run."""
        return tuple(
            (d.phase, d.at - self.start, d.channel, d.connection, self._data(d))
            for d in self.seen.departures
        )

    def _data(self, departure):
        is_time = departure.channel in _DUE
        return float(departure.data) - self.start if is_time else departure.data

    @property
    def data(self):
        """The names, targets and bytes that left through the world, without times."""
        left = [d for d in self.seen.departures if d.channel not in {*_DUE, Channel.DETOUR}]
        return tuple((d.phase, d.channel, d.connection, d.data) for d in left)

    def of_poll(self, poll):
        """Return what left in a poll, without times."""
        return tuple(data for phase, _, _, data in self.data if phase == f"poll {poll}")

    @property
    def bypasses(self):
        """The attempts to bypass the world."""
        return [d.data for d in self.seen.departures if d.channel is Channel.DETOUR]

    @property
    def gaps(self):
        """The seconds from each poll to the next."""
        left = self.seen.departures
        return [float(d.data) - d.at for d in left if d.channel is Channel.SCHEDULE]

    @property
    def said(self):
        """All bytes of names, targets and requests, joined."""
        return b"\n".join(data for _, _, _, data in self.data)


class _World(MemoryWorld):
    """A world whose server receives the number of the poll and the requested path."""

    poll = 0

    def __init__(self, inputs: Inputs) -> None:
        how = {
            "entropy": Entropy(inputs.seed),
            "start": float(inputs.start),
            "respond": self._serve,
        }
        super().__init__(inputs.public, inputs.owner, **how)
        self._inputs = inputs

    def begin_poll(self, poll):
        super().begin_poll(poll)
        self.poll = poll

    def _serve(self, asked):
        answers = b""
        for target in _LINE.findall(asked.data):
            path = _PATH.search(target)
            found = path.group() if path else target.partition(b"?")[0]
            answers += self._inputs.serve(Asked(found, self.poll))
        return answers


def run(factory, inputs: Inputs) -> Trace:
    """Run a client through the steps of its inputs; a crash ends the run."""
    seen = run_scenario(factory, _World(inputs), Scenario("inputs", inputs.steps), inputs.owner)
    return Trace(seen, float(inputs.start))
