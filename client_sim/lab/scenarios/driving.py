"""Runs of a client through a scenario of polls and owner events.

The events are those that a laboratory staged in 2014, and everyday ones.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, cast

from client_sim.lab.errors import ClientOverdueError
from client_sim.lab.scenarios.limits import PATIENCE, Overdue, confine
from client_sim.lab.trace.bypasses import watch_bypasses
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.lab.trace.recording import RecordingWorld
from client_sim.lab.trace.sockets import DrivenWorld
from client_sim.owner_events.events import EVERYDAY, KINDS_2014, Kind, describe
from client_sim.persona import Persona
from client_sim.world import Client, Event, Factory, World

POLL: Final = "poll"
REBOOT: Final = Kind.REBOOT.value
RESET: Final = Kind.FACTORY_RESET.value
RENEWAL: Final = f"new process, {RESET}"
NOTHING: Final = "nothing"
OFF: Final = "off "
BACK: Final = "back "
AT: Final = "at "

_RESETS: Final = frozenset({RESET, RENEWAL})
_KINDS: Final = {kind.value: kind for kind in Kind}

EVENTS_2014: Final = tuple(kind.value for kind in KINDS_2014)
"""The twelve events of 2014: a SIM, Wi-Fi, location, a contact, messages, calls and an account."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps in order.

    - `poll`: the client polls when it is due.
    - `reboot`: a new client with the old state.
    - `factory-reset`: a new client without state.
    - `new process, factory-reset`: a new client that also finds nothing in its module or attached
      to its world object.
    - `off SECONDS`: a new client with the old state, after this time without power.
    - `back SECONDS`: the phone's clock is set back.
    - `at SECONDS`: the phone sleeps until this time after the start, unless it has passed.
    - `nothing`: time passes as for an event.
    - Any other step is the name of an event.
    """

    name: str
    steps: tuple[str, ...]

    @property
    def longest(self) -> float:
        """Seconds from the first to the last poll, if each is as late as allowed."""
        return 28_800.0 * max(0, self.steps.count(POLL) - 1)


IDLE: Final = Scenario("four idle polls", (POLL,) * 4)
STORY_2014: Final = Scenario(
    "the seven events of 2014 between polls",
    (POLL, *EVENTS_2014[:3], POLL, *EVENTS_2014[3:8], POLL, REBOOT, *EVENTS_2014[8:], POLL),
)
STORY: Final = Scenario(
    "the seven events of 2014, a restart and everyday life between six polls",
    (*STORY_2014.steps, *(kind.value for kind in EVERYDAY), POLL, POLL),
)
"""A scenario for every client, which also finds leaks that need a restart or several polls."""


def make_event(name: str, persona: Persona) -> Event:
    """Return the event with this owner's details, as apps receive them."""
    return describe(_KINDS[name], persona)


def run_scenario(
    factory: Factory,
    world: DrivenWorld,
    scenario: Scenario,
    persona: Persona,
    patience: float = PATIENCE,
    *,
    renew: Callable[[], Factory] | None = None,
    after_poll: Callable[[], None] = lambda: None,
) -> Observation:
    """Drive a client through a scenario and return everything that left it.

    Each poll is made at the due time that the client returns. Events are spread evenly over the
    time between polls; after each of them the client is asked for its due time again.

    An exception ends the run and is recorded, because a crash is visible from outside. So does a
    client that ends its process or returns no finite due time. `renew` returns the factory for a
    new process; without it the old one is used. `after_poll` is called after each poll. Raise
    ClientOverdueError if the client does not return within `patience` seconds of processor time.
    """
    recording = RecordingWorld(world)
    try:
        with confine(patience), _watch(recording, world):
            _drive(
                *(factory, recording, world, scenario, persona), renew=renew, after_poll=after_poll
            )
    except Overdue as error:
        raise ClientOverdueError(
            f"the client did not return ({scenario.name}, in {recording.phase}): {error}: look for"
            " a wait or an endless loop in it, and run the programme again"
        ) from error
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a client may raise anything
        recording.note(Channel.CRASH, type(error).__qualname__.encode())
    return recording.observation()


def _watch(recording: RecordingWorld, world: DrivenWorld) -> AbstractContextManager[None]:
    """Record what bypasses the world, if the world itself needs no sockets."""
    if not isinstance(world, MemoryWorld):
        return nullcontext()
    return watch_bypasses(lambda attempt: recording.note(Channel.DETOUR, attempt))


class _OtherWorld:
    """The same world as another object, so that state attached to the old object is not found."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> object:
        return getattr(self._world, name)


def _drive(
    factory: Factory,
    recording: RecordingWorld,
    world: DrivenWorld,
    scenario: Scenario,
    persona: Persona,
    *,
    renew: Callable[[], Factory] | None,
    after_poll: Callable[[], None],
) -> None:
    seen: World = recording
    client = factory(seen)
    start = due = world.now()
    polls = 0
    for index, step in enumerate(scenario.steps):
        if step.startswith(AT):
            world.advance_to(max(world.now(), start + float(step.removeprefix(AT))))
            continue
        if step == POLL:
            world.advance_to(max(world.now(), due))
            polls += 1
            recording.begin_poll(polls)
            recording.note_outcome(client.poll())
            due = _read_due(client, world)
            recording.note(Channel.SCHEDULE, repr(due).encode())
            after_poll()
            continue
        rest = scenario.steps[index:]
        until_poll = rest.index(POLL) if POLL in rest else len(rest)
        world.advance_to(world.now() + max(0.0, due - world.now()) / (until_poll + 1))
        if step == NOTHING:
            continue
        recording.phase = f"step {index + 1} {step}"
        if step == RENEWAL:
            factory = factory if renew is None else renew()
            seen = cast("World", _OtherWorld(recording))
        if step.startswith(BACK):
            world.set_back(float(step.removeprefix(BACK)))
        elif _interrupt(recording, world, step):
            client = factory(seen)
        else:
            client.on_event(recording.watch(make_event(step, persona)))
        new_due = _read_due(client, world) if polls else due
        if new_due != due or step in _RESETS:
            due = new_due
            recording.note(Channel.DUE, repr(due).encode())


def _interrupt(recording: RecordingWorld, world: DrivenWorld, step: str) -> bool:
    """Apply a reboot, a reset or a power-off; return False for any other step."""
    if step.startswith(OFF):
        world.advance_to(world.now() + float(step.removeprefix(OFF)))
    if step in _RESETS:
        recording.state.clear()
    return step == REBOOT or step in _RESETS or step.startswith(OFF)


def _read_due(client: Client, world: DrivenWorld) -> float:
    due = float(client.next_poll(world.now()))
    if not math.isfinite(due):
        raise ValueError(f"{due} is not a valid poll time")
    return due
