"""Situations for single rows: a phone at a moment, and what may vary in it."""

import hashlib
import itertools
from dataclasses import replace

from client_sim.lab.mutants.spy import Spy
from client_sim.persona import make_persona
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import DAY, START, Repository

PUBLIC = make_public(Repository())
OWNERS = tuple(make_persona(b"row %d" % number) for number in range(8))
NOON = START - START % DAY + DAY // 2 + 61  # Saturday, 3 January 2026
NUMBERS = tuple(range(10))


class Stage:
    """A world that notes what is asked, connected to and sent."""

    def __init__(self, owner, seed, clock, public, state):
        self.public = public
        self.personal = owner
        self.state = {name: _to_bytes(value) for name, value in state.items()}
        self.left = []
        self._clock = clock
        self._draws = (hashlib.shake_256(b"%s %d" % (seed, n)) for n in itertools.count())

    def entropy(self, n):
        """Give bytes of the seed."""
        return next(self._draws).digest(n)

    def now(self):
        """Give the time of the situation."""
        return self._clock

    def resolve(self, host):
        """Note a question."""
        self.left.append(host.encode())
        return ["198.51.100.7"]

    def connect(self, address, port, tls):
        """Note a connection, and what is sent on it."""
        self.left.append(f"{address} {port} {tls}".encode())
        return self

    def send(self, data):
        """Note what is sent."""
        self.left.append(data)

    def close(self):
        """Close."""


def _to_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


def spy_in(*, owner=OWNERS[0], seed=b"seed", clock=NOON, fields=(), public=(), state=()):
    """Put a spy into a situation: fields of the owner and public facts are replaced."""
    build = {} if "counter" not in (public := dict(public)) else {"counter": public.pop("counter")}
    facts = replace(PUBLIC, **public)
    facts = replace(facts, build=replace(facts.build, **build))
    whole = {
        "polls": 1,
        "born": START,
        "last": clock,
        "server address": "198.51.100.7",
        **dict(state),
    }
    return Spy(Stage(replace(owner, **dict(fields)), seed, clock, facts, whole))


def merge(one, other):
    """Put two descriptions of a situation together; the first wins."""
    both = {**other, **one}
    for name in ("fields", "public", "state"):
        both[name] = {**dict(other.get(name, ())), **dict(one.get(name, ()))}
    return both


def given(**state):
    """Describe a situation by what the phone remembers; underscores stand for spaces."""
    return {"state": {name.replace("_", " "): value for name, value in state.items()}}


def owned(**fields):
    """Describe a situation by fields of its owner."""
    return {"fields": fields}


def public(**facts):
    """Describe a situation by public facts."""
    return {"public": facts}


def at(day, hour, second=1):
    """Describe a situation by its time in January 2026."""
    return {"clock": NOON - NOON % DAY + (day - 3) * DAY + hour * 3600 + second}
