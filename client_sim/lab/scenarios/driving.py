"""Owner events between polls: those that a laboratory staged in 2014, and everyday ones."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, cast

from client_sim.lab.errors import ClientOverdueError
from client_sim.lab.scenarios.confines import PATIENCE, Overdue, confine
from client_sim.lab.trace.detours import watch_detours
from client_sim.lab.trace.memory import DrivenWorld, MemoryWorld
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.lab.trace.recording import RecordingWorld
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
"""Boot with a SIM, Wi-Fi, location, a contact, messages, calls, an account: seven events."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps in order: `poll`, or what happens in between.

    `reboot` makes a new client with the old state, `factory-reset` one without, `new process,
    factory-reset` one that finds nothing in its module or by its world either, `off SECONDS` one
    after so long without power; `back SECONDS` sets the phone's clock back; `at SECONDS` lets a
    phone sleep until so long after the start, unless that has passed; at `nothing` time passes as
    at an event; all else is an event's name.
    """

    name: str
    steps: tuple[str, ...]

    @property
    def longest(self) -> float:
        """Seconds from the first to the last poll, if each comes as late as it may."""
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
"""The scenario of every client; it reaches leaks that wait for a restart or for some polls."""


def make_event(name: str, persona: Persona) -> Event:
    """Make the event as it happens to this owner, with the details that apps receive."""
    return describe(_KINDS[name], persona)


def run_scenario(
    factory: Factory,
    world: DrivenWorld,
    scenario: Scenario,
    persona: Persona,
    patience: float = PATIENCE,
    *,
    renew: Callable[[], Factory] | None = None,
    polled: Callable[[], None] = lambda: None,
) -> Observation:
    """Drive a client through a scenario and return everything that left it.

    Each poll happens when the client says that it is due. Events are spread evenly over the time
    between; after each of them the client is asked again when it is due. An exception ends the run
    and is part of the trace: a crash is visible from outside. A client that ends its process, or
    names no time for its next poll, ends the run, too. `renew` returns the factory of a new
    process; without it the old one is used. `polled` is called behind each poll. Raises
    ClientOverdueError for a client that does not come back within `patience` seconds of processor
    time.
    """
    recording = RecordingWorld(world)
    try:
        with confine(patience), _watch(recording, world):
            _drive(_Phone(factory, recording), renew, polled, recording, world, scenario, persona)
    except Overdue as error:
        raise ClientOverdueError(
            f"the client did not come back ({scenario.name}, in {recording.phase}): {error}: look"
            " for what it waits for or goes round in, and run the programme again"
        ) from error
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a client may raise anything
        recording.note(Channel.CRASH, type(error).__qualname__.encode())
    return recording.observation()


def _watch(recording: RecordingWorld, world: DrivenWorld) -> AbstractContextManager[None]:
    """Record what bypasses a world that needs no sockets itself."""
    if not isinstance(world, MemoryWorld):
        return nullcontext()
    return watch_detours(lambda tried: recording.note(Channel.DETOUR, tried))


class _Phone:
    """What runs on a phone: a client, with what made it and what it was given."""

    def __init__(self, factory: Factory, world: World) -> None:
        self.factory = factory
        self.world = world
        self.client: Client
        self.start()

    def start(self) -> None:
        """Make a new client."""
        self.client = self.factory(self.world)


class _OtherWorld:
    """The same world, as another object: what a client keeps by its world it does not find here."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> object:
        return getattr(self._world, name)


def _drive(
    phone: _Phone,
    renew: Callable[[], Factory] | None,
    polled: Callable[[], None],
    recording: RecordingWorld,
    world: DrivenWorld,
    scenario: Scenario,
    persona: Persona,
) -> None:
    start = due = world.now()
    polls = 0
    for place, step in enumerate(scenario.steps):
        if step.startswith(AT):
            world.advance_to(max(world.now(), start + float(step.removeprefix(AT))))
            continue
        if step == POLL:
            world.advance_to(max(world.now(), due))
            polls += 1
            recording.begin_poll(polls)
            recording.note_outcome(phone.client.poll())
            due = _ask_due(phone.client, world)
            recording.note(Channel.SCHEDULE, repr(due).encode())
            polled()
            continue
        rest = scenario.steps[place:]
        until_poll = rest.index(POLL) if POLL in rest else len(rest)
        world.advance_to(world.now() + max(0.0, due - world.now()) / (until_poll + 1))
        if step == NOTHING:
            continue
        recording.phase = f"step {place + 1} {step}"
        if step == RENEWAL:
            phone.factory = phone.factory if renew is None else renew()
            phone.world = cast("World", _OtherWorld(recording))
        _happen(phone, recording, world, step, persona)
        asked = _ask_due(phone.client, world) if polls else due
        if asked != due or step in _RESETS:
            due = asked
            recording.note(Channel.DUE, repr(due).encode())


def _happen(
    phone: _Phone,
    recording: RecordingWorld,
    world: DrivenWorld,
    step: str,
    persona: Persona,
) -> None:
    """Apply one step, which may start a new client."""
    if step.startswith(BACK):
        world.set_back(float(step.removeprefix(BACK)))
        return
    if step.startswith(OFF):
        world.advance_to(world.now() + float(step.removeprefix(OFF)))
    if step in _RESETS:
        recording.state.clear()
    if step == REBOOT or step in _RESETS or step.startswith(OFF):
        phone.start()
    else:
        phone.client.on_event(recording.watch(make_event(step, persona)))


def _ask_due(client: Client, world: DrivenWorld) -> float:
    due = float(client.next_poll(world.now()))
    if not math.isfinite(due):
        raise ValueError(f"{due} is no time to poll at")
    return due
