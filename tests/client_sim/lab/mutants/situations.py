"""Situations in which single rows are tested: a phone at a moment, and changes of it."""

from dataclasses import replace

from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.triggers import RESET
from client_sim.lab.trace.identity import on_machine
from client_sim.lab.trace.machine import make_machine
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.recording import RecordingWorld
from client_sim.persona import make_persona
from tests.client_sim.device.fake_world import make_public
from tests.client_sim.device.repository_simulator import DAY, START, Repository

PUBLIC = make_public(Repository())
OWNERS = tuple(make_persona(b"row %d" % number) for number in range(8))
NOON = START - START % DAY + DAY // 2 + 61  # Saturday, 3 January 2026
NUMBERS = tuple(range(10))
MACHINE = replace(
    make_machine(b"row"), uptime=10.0 * DAY, free=10**9, environment={"LANG": "de_DE.UTF-8"}
)


def make_world(owner, seed, clock, public, state):
    """Make a world that records what leaves it, and whose server closes each connection."""
    how = {"entropy": Entropy(seed), "start": clock, "respond": lambda _asked: b""}
    world = MemoryWorld(public, owner, **how)
    world.state.update(encode_state(state))
    return RecordingWorld(world)


def encode_state(state):
    """Encode the values of a phone's stored state."""
    return {
        name: value if isinstance(value, bytes) else str(value).encode()
        for name, value in state.items()
    }


def make_spy(*, owner=OWNERS[0], seed=b"seed", clock=NOON, fields=(), public=(), state=()):
    """Make the spy of a phone, with changed fields of its owner and changed public facts."""
    public = dict(public)
    build = replace(PUBLIC.build, counter=public.pop("counter", PUBLIC.build.counter))
    facts = replace(PUBLIC, build=build, **public)
    remembered = {
        "polls": 1,
        "born": START,
        "last": clock,
        "server address": "198.51.100.7",
    }
    spy = Spy(make_world(replace(owner, **dict(fields)), seed, clock, facts, remembered))
    RESET.holds(spy)  # it records the first birth
    spy.world.state.update(encode_state(dict(state)))
    return spy


def read_value(row, *, machine=MACHINE, **situation):
    """Return what a row leaks in a situation; None if its trigger does not hold."""
    with on_machine(machine):
        return row.leaked_value(make_spy(**situation))


def merge(one, other):
    """Merge two descriptions of a situation; the first takes precedence."""
    both = {**other, **one}
    for name in ("fields", "public", "state"):
        both[name] = {**dict(other.get(name, ())), **dict(one.get(name, ()))}
    return both


def state_with(**state):
    """Describe a situation by the phone's stored state; underscores stand for spaces."""
    return {"state": {name.replace("_", " "): value for name, value in state.items()}}


def owner_with(**fields):
    """Describe a situation by fields of its owner."""
    return {"fields": fields}


def public_with(**facts):
    """Describe a situation by public facts."""
    return {"public": facts}


def at_time(day, hour, second=1):
    """Describe a situation by its time in January 2026."""
    return {"clock": NOON - NOON % DAY + (day - 3) * DAY + hour * 3600 + second}
