"""Runs a fleet: its workers, and the clock of its own server if it has one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from client_sim.fleet.decisions import Behaviour
from client_sim.fleet.lines import LineCount, merge_lines
from client_sim.fleet.own_server import ClockFile
from client_sim.fleet.population import Habits
from client_sim.fleet.survey import Survey
from client_sim.fleet.tally import Tally
from client_sim.fleet.target import REMOTE_CONNECTIONS, REMOTE_POLLS, REMOTE_WORKERS, Target
from client_sim.fleet.timer_wheel import TICKS
from client_sim.fleet.twins import Twinning
from client_sim.fleet.workers import Job, started

# Maximum simulated seconds between two steps of the shared clock. Phones may lag behind the
# server's clock by this window, which is harmless: every signature is valid for a day or more.
_WINDOW: Final = 300.0
_TURNS: Final = 4.0  # steps of the shared clock in a second of real time

Watch = Callable[[float, float, Tally], None]
"""Called with simulated and real seconds since the start, and the totals so far."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: `devices` phones for `seconds`, in `workers` processes, drawn from `seed`.

    `speed` is the maximum number of seconds that the shared clock advances in a second of real
    time; without a shared clock the fleet runs in real time. Each worker opens at most
    `connections`. `twinning` selects the installations that the real update engine repeats. All
    phones first poll within `wake` seconds, at least 1; with 0, first polls are spread as in a
    fleet that has run for long. The other members are those of `Behaviour`.
    """

    devices: int
    seconds: float
    speed: float
    workers: int
    seed: int
    habits: Habits
    connections: int
    keep: bool
    download_every: int
    twinning: Twinning | None = None
    wake: float = 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Progress of a run: seconds since its start in real time, requests and bytes so far."""

    real: float
    requests: int
    size: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run.

    `begin` is its first simulated second (epoch), `newest` the number of phones that ran the newest
    build from the start, `by_group` the number of phones in each group. `real` is the duration in
    seconds, `cpu` the CPU seconds of all workers, `memory` the bytes that the phones use in the
    workers, before the first poll and at the end.
    """

    plan: Plan
    target: Target
    survey: Survey
    begin: float
    real: float
    tally: Tally
    lines: list[LineCount]
    moments: list[Moment]
    newest: int
    by_group: tuple[int, ...]
    memory: tuple[int, int]
    cpu: float


def run_fleet(
    plan: Plan,
    target: Target,
    previous: Survey,
    seen: Survey,
    clock: ClockFile | None,
    read_clock: Callable[[], float],
    watch: Watch,
) -> Outcome:
    """Run the phones for `plan.seconds` and return the outcome.

    `previous` is the server's state at the phones' last poll before the run; `seen` is its current
    state. The run advances `clock` if there is one; otherwise phones use the machine's clock. The
    plan is limited by `fit_plan`.
    """
    plan = fit_plan(plan, target)
    begin = read_clock() if clock is None else clock.seconds
    jobs = share_out(plan, target, previous, seen, begin, is_real=clock is None)
    with started(jobs) as workers:
        ready = workers.ready()
        start = time.perf_counter()
        moments = [Moment(0.0, 0, 0)]
        window = min(_WINDOW, max(1.0, plan.speed / _TURNS))
        simulated, tally = 0.0, Tally()
        while simulated < plan.seconds:
            simulated = min(plan.seconds, simulated + window)
            if clock is not None:
                clock.set(begin + simulated)
            tally = workers.advance(round(simulated * TICKS))
            real = time.perf_counter() - start
            data = tally.sent + tally.received
            moments.append(Moment(real, tally.requests, data))
            watch(simulated, real, tally)
            if clock is not None:
                time.sleep(max(0.0, simulated / plan.speed - real))
        finished = workers.finish()
        real = time.perf_counter() - start
    total = Tally()
    for each in finished:
        total.merge(each.tally)
    return Outcome(
        plan=plan,
        target=target,
        survey=seen,
        begin=begin,
        real=real,
        tally=total,
        lines=merge_lines([each.lines for each in finished]),
        moments=moments,
        newest=sum(each.newest for each in ready),
        by_group=tuple(map(sum, zip(*(each.by_group for each in ready), strict=True))),
        memory=(sum(each.memory for each in ready), sum(each.memory for each in finished)),
        cpu=sum(each.cpu for each in finished),
    )


def fit_plan(plan: Plan, target: Target) -> Plan:
    """Return the plan with workers and connections limited for a remote `target`."""
    if target.is_local:
        return plan
    workers = min(plan.workers, REMOTE_WORKERS)
    # Each worker uses one more connection for the real code, which polls while a phone waits.
    most = REMOTE_CONNECTIONS // workers - 1
    return replace(plan, workers=workers, connections=min(plan.connections, most))


def share_out(
    plan: Plan,
    target: Target,
    previous: Survey,
    seen: Survey,
    begin: float,
    *,
    is_real: bool,
) -> list[Job]:
    """Divide the phones among the workers, and for a remote server also the allowed load."""
    jobs = []
    behaviour = Behaviour(
        host=target.host_header,
        begin=begin,
        length=plan.seconds,
        connections=plan.connections,
        keep=plan.keep,
        download_every=plan.download_every,
        polls_per_second=0.0 if target.is_local else REMOTE_POLLS / plan.workers,
        twinning=plan.twinning,
    )
    for index in range(plan.workers):
        first = plan.devices * index // plan.workers
        count = plan.devices * (index + 1) // plan.workers - first
        jobs.append(
            Job(
                target=target,
                groups=seen.groups,
                habits=plan.habits,
                behaviour=behaviour,
                vaults=previous.vaults,
                seed=plan.seed,
                first=first,
                count=count,
                paced=1.0 if is_real else 0.0,
                wake=plan.wake,
            )
        )
    return jobs
