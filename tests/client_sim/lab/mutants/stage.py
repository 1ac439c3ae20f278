"""Situations for single rows: a phone at a moment, and what may vary in it."""

from dataclasses import replace

from client_sim.lab.mutants.spy import Spy
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.recording import RecordingWorld
from client_sim.persona import make_persona
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import DAY, START, Repository

PUBLIC = make_public(Repository())
OWNERS = tuple(make_persona(b"row %d" % number) for number in range(8))
NOON = START - START % DAY + DAY // 2 + 61  # Saturday, 3 January 2026
NUMBERS = tuple(range(10))


def make_stage(owner, seed, clock, public, state):
    """Make a world whose server says nothing; what leaves is in its observation."""
    how = {"entropy": Entropy(seed), "start": clock, "respond": lambda _asked: b""}
    world = MemoryWorld(public, owner, **how)
    for name, value in state.items():
        world.state[name] = value if isinstance(value, bytes) else str(value).encode()
    return RecordingWorld(world)


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
    return Spy(make_stage(replace(owner, **dict(fields)), seed, clock, facts, whole))


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
