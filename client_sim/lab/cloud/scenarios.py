"""Runs of a cloud client through the steps of a scenario, with a record of everything that left."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from client_sim.errors import SimulatorError
from client_sim.lab.cloud import double_handlers  # noqa: F401 - registers what the double answers
from client_sim.lab.cloud.double import Double
from client_sim.lab.cloud.phone import AGE, CloudPhone, Factory, Step
from client_sim.lab.cloud.world import CloudWorld, Exchange, Lie, Recorder
from client_sim.lab.trace.observation import Channel, Departure, Observation
from client_sim.persona import Contact, Message, Note, Persona, Photo, make_persona
from client_sim.tape import Tape

START: Final = 1_767_225_600.0
_PACE: Final = 600.0  # seconds between two steps
SHM: Final = Path("/dev/shm")  # noqa: S108 - a simulated phone's data need not survive a crash


@dataclass(frozen=True, slots=True)
class CloudScenario:
    """An owner, the steps, and the randomness; `flaws` and `version` are those of the server."""

    owner: Persona
    steps: tuple[Step, ...]
    seed: bytes = b"one"
    model: str = "armani"
    flaws: str = ""
    version: int = 1


@dataclass
class CloudRun:
    """The record of one scenario; mappings are by phase, which is the number and name of a step.

    - `on`: the types that are on during a step.
    - `sentences`: the sentences that the owner saw.
    - `refused`: the error sentence with which a step ended.
    - `crashed`: exceptions that are not a phone's own errors.
    - `states`: the numbers of accounts, sessions and consents on the server after a step.
    - `records`: the records of the last phone at the end, by type; `records_before` those before
      the last step.
    - `cloud`: the server at the end of the scenario.
    """

    scenario: CloudScenario
    observation: Observation
    exchanges: list[Exchange]
    derived: list[tuple[str, bytes]]
    cloud: Double
    phases: list[str] = field(default_factory=list)
    on: dict[str, frozenset[str]] = field(default_factory=dict)
    sentences: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)
    states: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    records: dict[str, list[bytes]] = field(default_factory=dict)
    records_before: dict[str, list[bytes]] = field(default_factory=dict)

    def step_of(self, phase: str) -> Step:
        """Return the step of a phase."""
        return self.scenario.steps[int(phase.partition(" ")[0])]

    def departures(self, *channels: Channel) -> list[Departure]:
        """Return the departures of some channels."""
        return [each for each in self.observation.departures if each.channel in channels]


def run_scenario(
    factory: Factory,
    scenario: CloudScenario,
    *,
    lies: Callable[[str], Lie | None] | None = None,
    boundary: Callable[[CloudPhone, str], None] | None = None,
) -> CloudRun:
    """Run a client through a scenario.

    `lies` returns the function that changes the answers in a phase, or None. `boundary` is called
    in `sync` steps whenever data leaves or arrives, with the phone and the channel.
    """
    recorder = Recorder(START)
    cloud = Double(
        *("id", lambda: recorder.now),
        version=scenario.version,
        flaws=scenario.flaws,
        seed=scenario.seed,
    )
    folder = tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None)
    phones: dict[int, CloudPhone] = {}
    run = CloudRun(
        scenario, Observation((), (), (), (), None), recorder.exchanges, recorder.derived, cloud
    )
    try:
        worlds = {
            number: CloudWorld(
                *(recorder, Path(folder) / str(number), scenario.owner, (cloud,)),
                seed=scenario.seed,
                device=number,
                model=scenario.model,
            )
            for number in {step.device for step in scenario.steps}
        }
        on: dict[int, frozenset[str]] = dict.fromkeys(worlds, frozenset())
        for number, step in enumerate(scenario.steps):
            world, phase = worlds[step.device], f"{number} {step.name} {step.what}".strip()
            recorder.now += _PACE
            recorder.phase, recorder.device = phase, step.device
            recorder.lie = None if lies is None else lies(phase)
            world.begin(number)
            run.phases.append(phase)
            on[step.device] = _follow(on[step.device], step)
            run.on[phase] = on[step.device]
            if number == len(scenario.steps) - 1:
                run.records_before = _list_records(phones)
            _do(factory, phones, world, step, run, boundary)
            run.states[phase] = _measure(cloud)
        run.records = _list_records(phones)
    finally:
        for phone in phones.values():
            phone.close()
        shutil.rmtree(folder, ignore_errors=True)
    run.observation = Observation(tuple(recorder.departures), tuple(recorder.draws), (), (), None)
    return run


def _do(
    factory: Factory,
    phones: dict[int, CloudPhone],
    world: CloudWorld,
    step: Step,
    run: CloudRun,
    boundary: Callable[[CloudPhone, str], None] | None,
) -> None:
    phase, recorder = world.recorder.phase, world.recorder
    try:
        if step.name in {"restart", "reset"} and step.device in phones:
            phones.pop(step.device).close()
            if step.name == "reset":
                shutil.rmtree(world.folder, ignore_errors=True)
        if step.device not in phones:
            world.folder.mkdir(exist_ok=True)
            phones[step.device] = factory(world)
        phone = phones[step.device]
        if step.name == "due":
            recorder.now = max(recorder.now, phone.due() or 0.0)
        if boundary is not None and step.name == "sync":
            recorder.boundary = lambda name: boundary(phone, name)
        run.sentences[phase] = phone.do(step)
        recorder.boundary = None
        recorder.note(Channel.SCHEDULE, -1, repr(phone.due()).encode())
    except SimulatorError as error:
        run.refused[phase] = str(error)
    except Exception as error:  # noqa: BLE001 - a client may raise anything
        run.crashed[phase] = f"{type(error).__name__}: {error}"
    finally:
        recorder.boundary = None


def _list_records(phones: dict[int, CloudPhone]) -> dict[str, list[bytes]]:
    """Return the records of the last phone by type."""
    kinds = ("contact", "note", "message", "photo")
    return {kind: phones[max(phones)].records(kind) if phones else [] for kind in kinds}


def _follow(on: frozenset[str], step: Step) -> frozenset[str]:
    if step.name == "on":
        return on | {step.what}
    if step.name == "off":
        return on - {step.what}
    ends = {"log-out", "withdraw", "erase", "reset", "log-in"}
    return frozenset() if step.name in ends else on


def _measure(cloud: Double) -> tuple[int, int, int]:
    """Return the numbers of accounts, sessions and correct consents on the server."""
    accounts = cloud.accounts.values()
    return (
        len(accounts),
        sum(len(each.sessions) for each in accounts),
        sum(consent["at_least"] == AGE for each in accounts for consent in each.consents),
    )


def steps(text: str) -> tuple[Step, ...]:
    """Parse steps of the form `NAME[:TYPE[,TYPE…]][@DEVICE]`, separated by spaces."""
    found = []
    for word in text.split():
        action, _, device = word.partition("@")
        name, _, kinds = action.partition(":")
        found += [Step(name, kind, int(device or 0)) for kind in kinds.split(",")]
    return tuple(found)


_OWN: Final = "own:contact,note,message,photo settings"
_BEGIN: Final = f"{_OWN} sign-up consent words"
CONTACTS: Final = steps(
    f"{_BEGIN} edit:contact on:contact settings sync edit:contact add:note due restart add:contact"
    " due remove:contact due sync off:contact settings edit:contact sync due restart due on:contact"
    " due withdraw edit:contact due consent on:contact sync log-out due restart due log-in"
    " consent erase receipt settings due reset settings due"
)
"""Only contacts are on; they are turned off and on again until the account is erased."""
EVERYTHING: Final = steps(
    f"{_BEGIN} on:contact,note,message,photo sync edit:contact,note add:photo due remove:message"
    " due devices password rotate sync log-in@1 consent@1 on:contact,note,message,photo@1 sync@1"
    " edit:note@1 sync@1 edit:note sync sync@1 off:contact,note,message,photo sync due"
)
"""All types are on, with two phones."""
NO_ACCOUNT: Final = steps(
    f"{_OWN} due restart edit:contact due settings add:note reset settings due"
)
"""A phone that never has an account."""


@lru_cache(maxsize=16)
def make_owner(seed: str, *, contacts: str = "", long: bool = False) -> Persona:
    """Make an owner with three contacts, two notes, two messages and a photo.

    `contacts` is the seed of the contacts, if it is not `seed`. Names and texts differ in length
    within the limits of padding. The first note of a `long` owner repeats one word, so that
    compression would shorten it.
    """
    persona, tape = make_persona(seed.encode()), Tape(f"owner {seed}".encode())
    book = Tape(f"contacts {contacts or seed}".encode())
    people = tuple(_contact(book) for _ in range(3))
    text = "".join(tape.word() for _ in range(400))
    if long:
        text = (tape.word() * 400)[: len(text)]
    return replace(
        persona,
        contacts=people,
        notes=(
            Note(f"Note {tape.word()[: 5 + tape.below(8)]}", text),
            Note(tape.word()[:7], tape.text()),
        ),
        messages=tuple(
            Message("sms", tape.number(), True, int(START) - 9_000 - n, tape.text())
            for n in range(2)
        ),
        photos=(
            Photo(
                f"IMG_{tape.digits(8)}.jpg", tape.degrees(-5), tape.degrees(110), int(START) - 99
            ),
        ),
    )


def _contact(tape: Tape) -> Contact:
    word = tape.word()
    return Contact(
        f"{tape.name()} {word[: 5 + tape.below(8)]}", tape.number(), f"{word}@example.org"
    )


IDLE_TIMES: Final = steps(
    f"{_BEGIN} on:contact sync settings:{','.join('abc')} due settings due settings:a,b due"
)
BUSY_TIMES: Final = steps(
    f"{_BEGIN} on:contact sync edit:contact add:contact edit:contact due edit:contact due"
    " edit:contact remove:contact due"
)
"""As `IDLE_TIMES`, but the owner changes records instead of looking at the settings."""
