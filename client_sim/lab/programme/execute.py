"""Execution of a programme: all batteries on one client, or the instrument on all leaky clients."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from client_sim.countries import count_homes
from client_sim.lab.clients.installing import is_polling
from client_sim.lab.clients.loading import load_client
from client_sim.lab.errors import ClientOverdueError
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.programme.batteries.crossed import measure_crossings
from client_sim.lab.programme.case import Battery, Case, Judge
from client_sim.lab.programme.library import ARGUED, HARMLESS, METHODS, OURS, load_library
from client_sim.lab.programme.plan import BATTERIES, Plan, Profile, make_batteries, profile_of
from client_sim.lab.programme.result import (
    BatteryResult,
    Matrix,
    MatrixRow,
    ProgrammeResult,
    Smallest,
)
from client_sim.lab.programme.run import QUESTIONS, Runs, Tally, judge_run
from client_sim.lab.programme.runner import (
    Mapper,
    Tallies,
    Task,
    Trial,
    merge,
    plan_tasks,
    run_planned,
    run_task,
    try_mutant,
)
from client_sim.lab.programme.server_trials import CHECKS, LEAKY, SERVERS, try_server
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.programme.shrink import shrink
from client_sim.lab.programme.survey import survey_fields, survey_intervals
from client_sim.lab.programme.testbed import Testbed, plan_testbed
from client_sim.lab.server_mutants.mutant import ServerMutant
from client_sim.lab.servers.caches import memoised
from client_sim.lab.trace.observation import Observation
from client_sim.tape import Tape
from client_sim.world import Client, Factory, World

_LAYERS: Final = 2  # depth of the canary search that judges a reduced case
_PHONES: Final = 40  # surveyed phones
_CHUNK: Final = 25  # cases in a task; small, so that progress moves and processes end together

_Tried = TypeVar("_Tried")
OnProgress = Callable[[str, int, int], None]
"""Receives progress: the kind of work, how much of it is done, and how much there is."""


def run_programme(plan: Plan, pool: Mapper, on_progress: OnProgress) -> ProgrammeResult:
    """Examine a client with every battery; the same plan gives the same result.

    The work is distributed over the processes of `pool`.
    """
    factory = load_client(plan.client)
    testbed = plan_testbed(factory, plan.seed)
    batteries = make_batteries(testbed, profile_of(plan))
    tasks = plan_tasks(batteries, _CHUNK)
    # The first cases search for planted values and take longest. Started first, they let all
    # processes end at about the same time.
    order = sorted(tasks, key=lambda task: task.first)
    with memoised():
        parts = pool.map(run_planned, [(plan, task) for task in order])
        found = _collect(tasks, order, parts, on_progress)
        return _conclude(plan, factory, testbed, batteries, *found, _PHONES)


def run_batteries(
    plan: Plan,
    profile: Profile,
    factory: Factory,
    testbed: Testbed,
    batteries: Sequence[Battery],
    *,
    phones: int,
    on_progress: OnProgress,
) -> ProgrammeResult:
    """Examine a client with some batteries in this process, and survey `phones` phones."""
    tasks = plan_tasks(batteries, _CHUNK)
    with memoised():
        parts = (run_task(Runs(factory), batteries, task, profile) for task in tasks)
        found = _collect(tasks, tasks, parts, on_progress)
        return _conclude(plan, factory, testbed, batteries, *found, phones)


def _collect(
    tasks: Sequence[Task], order: Sequence[Task], parts: Iterable[Tallies], on_progress: OnProgress
) -> tuple[Tallies, str]:
    """Receive parts in `order` and merge them in the order of the tasks.

    If the client is given up, return the parts received until then, and the reason.
    """
    received: dict[Task, Tallies] = {}
    given_up = ""
    try:
        for task, part in zip(order, parts, strict=True):
            received[task] = part
            on_progress("runs", len(received), len(tasks))
    except ClientOverdueError as error:
        given_up = str(error)
    return merge(received[task] for task in tasks if task in received), given_up


def _conclude(
    plan: Plan,
    factory: Factory,
    testbed: Testbed,
    batteries: Sequence[Battery],
    tallies: Tallies,
    given_up: str,
    phones: int,
) -> ProgrammeResult:
    """Return the result; a client that was given up is not run again."""
    questions = [(each.oracle, each.claim, each.question) for each in batteries]
    questions += [(oracle, "guard", question) for oracle, question in QUESTIONS.items()]
    own = [tallies[each.oracle] for each in batteries if each.oracle in tallies]
    places = sorted({place for tally in tallies.values() for place in tally.places})
    owners = {
        setting.personal: None
        for battery, number in places
        for setting in batteries[battery].make(number).settings
    }
    result = ProgrammeResult(
        client=plan.client,
        profile=plan.profile,
        seed=plan.seed,
        runs=sum(tally.runs for tally in own),
        polls=sum(tally.polls for tally in own),
        size=sum(tally.size for tally in own),
        batteries=tuple(
            _result(
                question,
                tallies[question[0]],
                None if given_up else _find_smallest(factory, batteries, tallies, question[0]),
            )
            for question in questions
            if question[0] in tallies
        ),
        sample=Observation((), (), (), (), None),
        scope=_describe_scope(batteries, plan.profile),
        owners=tuple(owners),
        given_up=given_up,
    )
    if given_up:
        return result
    sample = batteries[0].make(0).settings[0]
    crossed = [battery.size for battery in batteries if battery.oracle == "crossed"]
    made: list[Client] = []

    def make(world: World) -> Client:
        made.append(factory(world))
        return made[-1]

    return replace(
        result,
        sample=observe(make, sample),
        installs=any(map(is_polling, made)),
        fields=survey_fields(factory, testbed, phones),
        intervals=survey_intervals(factory, testbed, phones),
        owners=(sample.personal, *owners),
        crossings=measure_crossings(plan.seed, crossed[0]) if crossed else None,
    )


def _describe_scope(batteries: Sequence[Battery], profile: str) -> str:
    """Describe how much was examined, and from how many countries the owners are."""
    personal = [each for each in batteries if each.oracle == "personal"]
    owners = sum(each.size * len(each.make(0).settings) for each in personal) or 2
    countries, networks, languages = count_homes(owners)
    return (
        f"{len(batteries)} batteries, profile {profile}; owners of {countries} countries,"
        f" {networks} networks and {languages} languages"
    )


def run_matrix(
    profile: str,
    seed: int,
    pool: Mapper,
    on_progress: OnProgress,
    *,
    libraries: tuple[str, ...],
    quick: bool,
    enough: int | None = None,
) -> Matrix:
    """Test the instrument on leaky clients, and with our own library on harmless ones and servers.

    `quick` takes one leaky client and one server of each family, chosen by the seed, and no
    harmless client. A client that `enough` independent methods have found is not examined further,
    and little further if only one method has found it (`try_client`); with None all methods
    examine it. The work is distributed over the processes of `pool`.
    """
    plan = Plan("", profile, seed)
    names = (*libraries, HARMLESS) if OURS in libraries else libraries
    mutants = [(name, number, m) for name in names for number, m in enumerate(load_library(name))]
    servers = [*enumerate(SERVERS)] if OURS in libraries else []
    if quick:
        # A client that only crossed cases find takes a hundred of them: the full matrix tries it.
        cheap = [each for each in mutants if "crossed" not in each[2].only and each[0] != HARMLESS]
        mutants = _choose(cheap, lambda each: f"{seed} {each[0]} {each[2].family}")
        servers = _choose(servers, lambda each: f"{seed} server {each[1].family}")
    used = {*profile_of(plan).sizes, *(oracle for _, _, m in mutants for oracle in m.only)}
    oracles = (*(o for o in BATTERIES if o in used), *QUESTIONS, *(CHECKS if servers else ()))
    rows: list[MatrixRow] = []
    equivalents: list[MatrixRow] = []

    def add(mutant: Mutant | ServerMutant, trial: Trial, *, is_leaky: bool) -> None:
        not_asked = tuple(oracle for oracle in oracles if oracle not in trial.examined_by)
        row = MatrixRow(mutant.id, mutant.family, mutant.leak, trial.killed_by, not_asked)
        (rows if is_leaky else equivalents).append(row)
        on_progress("mutants", len(rows) + len(equivalents), len(mutants) + len(servers))

    calls = [
        (plan, name, number, None if name == HARMLESS else enough) for name, number, _ in mutants
    ]
    # Submit both before waiting for either, so that no process is idle in between.
    trials = pool.map(try_mutant, calls)
    examined = pool.map(try_server, [(number, seed) for number, _ in servers])
    for (name, _, mutant), trial in zip(mutants, trials, strict=True):
        add(mutant, trial, is_leaky=name != HARMLESS)
    for (number, server), killed in zip(servers, examined, strict=True):
        add(server, Trial(killed, frozenset(CHECKS)), is_leaky=number < LEAKY)
    return Matrix(oracles, tuple(rows), tuple(equivalents), ARGUED, METHODS, quick)


def _choose(candidates: Sequence[_Tried], family_of: Callable[[_Tried], str]) -> list[_Tried]:
    """Choose one of each family, by the seed that `family_of` includes in the family's name."""
    families: dict[str, list[_Tried]] = {}
    for each in candidates:
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
    """Reduce the first case in which an oracle found something."""
    if not tallies[oracle].places:
        return None
    place, number = tallies[oracle].places[0]
    case = batteries[place].make(number)
    cases = [case]
    if oracle in QUESTIONS:
        layers = _LAYERS if oracle == "canaries" else 0
        cases = [Case((each,), _judge_alone(oracle, each, layers)) for each in case.settings]
    for each in cases:
        small = shrink(factory, each)
        if small is not None:
            steps = ", ".join(small.steps) or "nothing"
            owners = f", owners that differ in {', '.join(small.fields)}" if small.fields else ""
            machine_fields = ", ".join(small.machine)
            machines = f", machines that differ in {machine_fields}" if machine_fields else ""
            text = f"The difference remains with: {steps}{owners}{machines}."
            differing = (*small.fields, *(f"machine {name}" for name in small.machine))
            return Smallest(small.steps, differing, text)
    return None


def _judge_alone(guard: str, setting: Setting, layers: int) -> Judge:
    """Return a judge that applies one guard to the run of a setting."""
    return lambda observations: judge_run(guard, observations[0], setting, layers)
