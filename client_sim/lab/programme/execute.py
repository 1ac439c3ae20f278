"""Carrying a programme out: all batteries on one client, or all leaky clients on one instrument."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final, TypeVar

from client_sim.countries import count_homes
from client_sim.lab.clients.installing import is_polling
from client_sim.lab.clients.loading import load_client
from client_sim.lab.errors import ClientOverdueError
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.programme.batteries.crossed import measure_crossings
from client_sim.lab.programme.case import Battery, Case
from client_sim.lab.programme.covering import Crossings
from client_sim.lab.programme.ground import Ground, plan_ground
from client_sim.lab.programme.library import ARGUED, HARMLESS, METHODS, OURS, load_library
from client_sim.lab.programme.plan import BATTERIES, Plan, Profile, make_batteries, profile_of
from client_sim.lab.programme.result import (
    BatteryResult,
    Matrix,
    MatrixRow,
    ProgrammeResult,
    Smallest,
)
from client_sim.lab.programme.run import QUESTIONS, Runs, Tally, judge_of
from client_sim.lab.programme.runner import (
    Mapper,
    Tallies,
    Task,
    Trial,
    merge,
    open_pool,
    plan_tasks,
    run_planned,
    run_task,
    try_mutant,
)
from client_sim.lab.programme.server_trials import CHECKS, LEAKY, SERVERS, try_server
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.shrink import shrink
from client_sim.lab.programme.survey import survey_fields, survey_intervals
from client_sim.lab.server_mutants.mutant import ServerMutant
from client_sim.lab.servers.memo import memoised
from client_sim.lab.trace.observation import Observation
from client_sim.tape import Tape
from client_sim.world import Client, Factory, World

_LAYERS: Final = 2  # of the canary search that a small case is judged by
_PHONES: Final = 40  # that are surveyed
_CHUNK: Final = 25  # cases of a task: progress moves, and processes end together

_Tried = TypeVar("_Tried")
Tell = Callable[[str, int, int], None]
"""Receives progress: the kind of work, how much of it is done, and how much there is."""


def run_programme(plan: Plan, jobs: int, tell: Tell, pool: Mapper | None = None) -> ProgrammeResult:
    """Put every question to a client, over so many processes; the same for the same plan.

    Where a pool is given, over its processes.
    """
    factory = load_client(plan.client)
    ground = plan_ground(factory, plan.seed)
    batteries = make_batteries(ground, profile_of(plan))
    tasks = plan_tasks(batteries, _CHUNK)
    # Searches for planted values take longest and are in the first cases; processes end together.
    order = sorted(tasks, key=lambda task: task.first)
    with memoised():
        with _use(pool, jobs) as mapper:
            parts = mapper.map(run_planned, [(plan, task) for task in order])
            tallies, given_up = _collect(tasks, order, parts, tell)
        if given_up:
            return _break_off(plan, batteries, tallies, given_up)
        return _conclude(plan, factory, ground, batteries, tallies, _PHONES)


def run_batteries(
    plan: Plan,
    profile: Profile,
    factory: Factory,
    ground: Ground,
    batteries: Sequence[Battery],
    *,
    phones: int,
    tell: Tell,
) -> ProgrammeResult:
    """Put the questions of some batteries to a client, in this process; survey so many phones."""
    tasks = plan_tasks(batteries, _CHUNK)
    with memoised():
        parts = (run_task(Runs(factory), batteries, task, profile) for task in tasks)
        tallies, given_up = _collect(tasks, tasks, parts, tell)
        if given_up:
            return _break_off(plan, batteries, tallies, given_up)
        return _conclude(plan, factory, ground, batteries, tallies, phones)


def _use(pool: Mapper | None, jobs: int) -> AbstractContextManager[Mapper]:
    return open_pool(jobs) if pool is None else nullcontext(pool)


def _collect(
    tasks: Sequence[Task], order: Sequence[Task], parts: Iterable[Tallies], tell: Tell
) -> tuple[Tallies, str]:
    """Take parts as they come in some order, and put them together in that of the tasks.

    If a client is given up, return the parts before that, and the reason.
    """
    came: dict[Task, Tallies] = {}
    given_up = ""
    try:
        for task, part in zip(order, parts, strict=True):
            came[task] = part
            tell("runs", len(came), len(tasks))
    except ClientOverdueError as error:
        given_up = str(error)
    return merge(came[task] for task in tasks if task in came), given_up


def _conclude(
    plan: Plan,
    factory: Factory,
    ground: Ground,
    batteries: Sequence[Battery],
    tallies: Tallies,
    phones: int,
) -> ProgrammeResult:
    sample = batteries[0].make(0).settings[0]
    places = sorted({place for tally in tallies.values() for place in tally.places})
    owners = {
        setting.personal: None
        for battery, number in places
        for setting in batteries[battery].make(number).settings
    }
    made: list[Client] = []

    def make(world: World) -> Client:
        made.append(factory(world))
        return made[-1]

    return replace(
        _summarise(
            plan,
            batteries,
            tallies,
            lambda oracle: _find_smallest(factory, batteries, tallies, oracle),
        ),
        sample=observe(make, sample),
        installs=any(map(is_polling, made)),
        fields=survey_fields(factory, ground, phones),
        intervals=survey_intervals(factory, ground, phones),
        owners=(sample.personal, *owners),
    )


def _break_off(
    plan: Plan, batteries: Sequence[Battery], tallies: Tallies, given_up: str
) -> ProgrammeResult:
    """Return what was found before a client was given up; it is not run again."""
    owners = {
        setting.personal: None
        for tally in tallies.values()
        for place, number in tally.places
        for setting in batteries[place].make(number).settings
    }
    found = _summarise(plan, batteries, tallies, lambda _oracle: None)
    return replace(found, given_up=given_up, owners=tuple(owners), crossings=None)


def _summarise(
    plan: Plan,
    batteries: Sequence[Battery],
    tallies: Tallies,
    find_smallest: Callable[[str], Smallest | None],
) -> ProgrammeResult:
    """Return what was asked and found, without a sample of what the client sends."""
    asked = [(each.oracle, each.claim, each.question) for each in batteries]
    asked += [(oracle, "guard", question) for oracle, question in QUESTIONS.items()]
    own = [tallies[each.oracle] for each in batteries if each.oracle in tallies]
    return ProgrammeResult(
        client=plan.client,
        profile=plan.profile,
        seed=plan.seed,
        runs=sum(tally.runs for tally in own),
        polls=sum(tally.polls for tally in own),
        size=sum(tally.size for tally in own),
        batteries=tuple(
            _result(each, tallies[oracle], find_smallest(oracle))
            for each in asked
            for oracle in each[:1]
            if oracle in tallies
        ),
        sample=Observation((), (), (), (), None),
        scope=_describe_scope(batteries, plan.profile),
        crossings=_measure_crossings(batteries, plan.seed),
    )


def _measure_crossings(batteries: Sequence[Battery], seed: int) -> Crossings | None:
    sizes = [battery.size for battery in batteries if battery.oracle == "crossed"]
    return measure_crossings(seed, sizes[0]) if sizes else None


def _describe_scope(batteries: Sequence[Battery], profile: str) -> str:
    """Say how much was asked, and from how many countries its owners are."""
    asked = [each for each in batteries if each.oracle == "personal"]
    owners = sum(each.size * len(each.make(0).settings) for each in asked) or 2
    countries, networks, languages = count_homes(owners)
    return (
        f"{len(batteries)} batteries, profile {profile}; owners of {countries} countries,"
        f" {networks} networks and {languages} languages"
    )


def run_matrix(
    profile: str,
    seed: int,
    jobs: int,
    tell: Tell,
    *,
    libraries: tuple[str, ...],
    quick: bool,
    enough: int | None = None,
    pool: Mapper | None = None,
) -> Matrix:
    """Try the instrument on leaky clients; with our library also on harmless ones and servers.

    `quick` takes one leaky client and one server of each family, which the seed chooses, and no
    harmless client: the one that is examined is clean, or is found. A client that `enough`
    independent methods have found is asked nothing more, and not much more where one has found it
    and others have not (`try_client`); None asks it everything. Where a pool is given, its
    processes do it.
    """
    plan = Plan("", profile, seed)
    names = (*libraries, HARMLESS) if OURS in libraries else libraries
    mutants = [(name, number, m) for name in names for number, m in enumerate(load_library(name))]
    servers = [*enumerate(SERVERS)] if OURS in libraries else []
    if quick:
        # What the crossings alone find takes a hundred cases, and is left to the whole matrix.
        cheap = [each for each in mutants if "crossed" not in each[2].only and each[0] != HARMLESS]
        mutants = _choose(cheap, lambda each: f"{seed} {each[0]} {each[2].family}")
        servers = _choose(servers, lambda each: f"{seed} server {each[1].family}")
    met = {*profile_of(plan).sizes, *(oracle for _, _, m in mutants for oracle in m.only)}
    oracles = (*(o for o in BATTERIES if o in met), *QUESTIONS, *(CHECKS if servers else ()))
    rows: list[MatrixRow] = []
    equivalents: list[MatrixRow] = []
    with _use(pool, jobs) as mapper:

        def add(tried: Mutant | ServerMutant, trial: Trial, *, is_leaky: bool) -> None:
            not_asked = tuple(oracle for oracle in oracles if oracle not in trial.asked)
            row = MatrixRow(tried.id, tried.family, tried.leak, trial.killed_by, not_asked)
            (rows if is_leaky else equivalents).append(row)
            tell("mutants", len(rows) + len(equivalents), len(mutants) + len(servers))

        calls = [
            (plan, name, number, None if name == HARMLESS else enough)
            for name, number, _ in mutants
        ]
        # Both are handed out before either is waited for: no process is idle in between.
        tried = mapper.map(try_mutant, calls)
        examined = mapper.map(try_server, [(number, seed) for number, _ in servers])
        for (name, _, mutant), trial in zip(mutants, tried, strict=True):
            add(mutant, trial, is_leaky=name != HARMLESS)
        for (number, server), killed in zip(servers, examined, strict=True):
            add(server, Trial(killed, frozenset(CHECKS)), is_leaky=number < LEAKY)
    return Matrix(oracles, tuple(rows), tuple(equivalents), ARGUED, METHODS, quick)


def _choose(those: Sequence[_Tried], family_of: Callable[[_Tried], str]) -> list[_Tried]:
    """Choose one of each family, by the seed that stands in the family's name."""
    families: dict[str, list[_Tried]] = {}
    for each in those:
        families.setdefault(family_of(each), []).append(each)
    return [Tape(name.encode()).pick(own) for name, own in families.items()]


def _result(asked: tuple[str, str, str], tally: Tally, smallest: Smallest | None) -> BatteryResult:
    oracle, claim, question = asked
    return BatteryResult(
        oracle=oracle,
        claim=claim,
        question=question,
        cases=tally.cases,
        runs=tally.runs,
        polls=tally.polls,
        size=tally.size,
        findings=tuple(tally.findings),
        count=tally.count,
        smallest=smallest,
    )


def _find_smallest(
    factory: Factory, batteries: Sequence[Battery], tallies: Tallies, oracle: str
) -> Smallest | None:
    """Make the first case in which an oracle found something small."""
    if not tallies[oracle].places:
        return None
    place, number = tallies[oracle].places[0]
    case = batteries[place].make(number)
    cases = [case]
    if oracle in QUESTIONS:
        layers = _LAYERS if oracle == "canaries" else 0
        cases = [Case((each,), judge_of(oracle, each, layers)) for each in case.settings]
    for each in cases:
        small = shrink(factory, each)
        if small is not None:
            steps = ", ".join(small.steps) or "nothing"
            owners = f", owners that differ in {', '.join(small.fields)}" if small.fields else ""
            told = ", ".join(small.machine)
            machines = f", machines that differ in {told}" if told else ""
            text = f"It still shows with: {steps}{owners}{machines}."
            differing = (*small.fields, *(f"machine {name}" for name in small.machine))
            return Smallest(small.steps, differing, text)
    return None
