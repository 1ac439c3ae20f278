"""C1: polls do not depend on the backup. C0: a backup that is turned off stops immediately.

It is turned off at every boundary, which is any point at which data leaves or arrives.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from client_sim.device.client import PollingClient
from client_sim.errors import SimulatorError
from client_sim.lab.cloud.double import Double
from client_sim.lab.cloud.phone import CloudPhone, Factory, Step
from client_sim.lab.cloud.scenarios import (
    SHM,
    START,
    CloudRun,
    CloudScenario,
    make_owner,
    run_scenario,
    steps,
)
from client_sim.lab.cloud.world import CloudWorld, Recorder
from client_sim.lab.oracles.equality import judge_equality
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.run import GUARDS
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.testbed import Testbed, plan_testbed
from client_sim.lab.scenarios.driving import IDLE
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.world import Client, Event, World

STATES: Final = ("never on", "on", "busy", "failing", "off again")
_BEGIN: Final = "own:contact,note sign-up consent words on:contact,note sync"


class _PollingClient:
    """A polling client on a phone whose backup is active before, or during, each poll."""

    def __init__(self, world: World, phone: CloudPhone, cloud: CloudWorld, state: str) -> None:
        self._client = phone.polling(world)
        self._world, self._phone, self._cloud, self._state = world, phone, cloud, state
        self._polls = 0

    def poll(self) -> object:
        """Poll while the backup does what its state says."""
        recorder = self._cloud.recorder
        recorder.now = self._world.now()
        self._polls += 1
        self._cloud.begin(100 + self._polls)
        if self._state in {"never on", "off again"}:
            return self._client.poll()
        outcomes: list[object] = []

        def poll_once(_channel: str) -> None:
            if self._state == "failing":
                raise OSError("refused")
            if self._state == "busy" and not outcomes:
                outcomes.append(None)
                outcomes[0] = self._client.poll()

        recorder.boundary = poll_once
        for each in steps("edit:note sync"):
            try:
                self._phone.do(each)
            except SimulatorError:
                continue
        recorder.boundary = None
        return outcomes[0] if outcomes else self._client.poll()

    def on_event(self, event: Event) -> None:
        """Pass the event to the polling client."""
        self._client.on_event(event)

    def next_poll(self, now: float) -> float:
        """Return the due time of the polling client."""
        return self._client.next_poll(now)


@cache
def _testbed() -> Testbed:
    return plan_testbed(PollingClient, 0)


def observe_polls(factory: Factory, state: str) -> Observation:
    """Poll four times on a phone whose backup is in a state; return what the polls sent."""
    folder = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
    recorder = Recorder(START)
    cloud = Double("id", lambda: recorder.now)
    world = CloudWorld(recorder, folder, make_owner("a"), (cloud,), seed=b"beside")
    phone = factory(world)
    text = _BEGIN if state != "never on" else "own:contact,note"
    text += " off:contact,note edit:note" if state == "off again" else ""
    try:
        for number, each in enumerate(steps(text)):
            recorder.phase, recorder.now = f"{number} {each.name}", recorder.now + 60
            world.begin(number)
            phone.do(each)

        def make(polls: World) -> Client:
            return _PollingClient(polls, phone, world, state)

        return observe(make, _testbed().setting(IDLE))
    finally:
        phone.close()
        shutil.rmtree(folder, ignore_errors=True)


def examine_independence(factory: Factory) -> Iterator[tuple[str, Finding]]:
    """Yield findings of two methods: comparison of states, and the table of polls."""
    first, *others = [observe_polls(factory, state) for state in STATES]
    for state, run in zip(STATES[1:], others, strict=True):
        label = f"the phone whose backup is {state}"
        for finding in judge_equality(first, run, label, with_time=True):
            yield "beside", finding
        public = _testbed().publics[0]
        for guard in ("grammar", "schedule", "completes", "egress"):
            for finding in GUARDS[guard](run, public):
                yield "polls", finding


_SCENARIO: Final = steps(
    "own:contact,note,photo sign-up consent words on:contact,note,photo sync due restart due"
)
_FIRST: Final = next(n for n, step in enumerate(_SCENARIO) if step.name == "sync")
_KINDS: Final = ("contact", "note", "photo")
_SENDING: Final = frozenset({Channel.DNS, Channel.CONNECT, Channel.BYTES})


def examine_boundaries(factory: Factory, stride: int) -> Iterator[tuple[str, Finding]]:
    """Yield findings of two methods: data that leaves afterwards, and a missing message."""
    boundaries: list[str] = []
    _run_scenario(factory, lambda _phone, name: boundaries.append(name))
    first = _run_scenario(factory, None)
    sent = len(_departures(first))
    for number in range(0, len(boundaries), stride):
        yield from _turn_off_at(factory, number, sent)


def _turn_off_at(factory: Factory, number: int, expected: int) -> Iterator[tuple[str, Finding]]:
    remaining = [number]
    recorded: list[int] = []

    def turn_off(phone: CloudPhone, _name: str) -> None:
        remaining[0] -= 1
        if remaining[0] == -1:
            recorded.append(0)
            for kind in _KINDS:
                phone.do(Step("off", kind))
        elif recorded and _name in _SENDING:
            recorded[0] += 1

    run = _run_scenario(factory, turn_off)
    phase = run.phases[_FIRST]
    where = f"turned off at boundary {number + 1} of {phase}"
    later = [each for each in run.departures(*_SENDING) if each.phase in run.phases[_FIRST + 1 :]]
    if (recorded and recorded[0]) or later:
        data = (later or _departures(run))[-1].data
        yield "off", Finding(where, "something leaves afterwards", data, 0, min(len(data), 64))
    if len(_departures(run)) < expected and phase not in run.refused:
        yield "ended", Finding(where, "the sync ends early without telling the owner", b"", 0, 0)
    if len(_departures(run)) >= expected and number < expected and phase not in run.refused:
        yield "ended", Finding(where, "the sync continues to its end", b"", 0, 0)


def _departures(run: CloudRun) -> list[Departure]:
    return [e for e in run.departures(*_SENDING) if e.phase == run.phases[_FIRST]]


def _run_scenario(factory: Factory, boundary: Callable[[CloudPhone, str], None] | None) -> CloudRun:
    return run_scenario(factory, CloudScenario(make_owner("a"), _SCENARIO), boundary=boundary)
