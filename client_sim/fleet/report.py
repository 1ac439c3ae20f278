"""The report of a run: curves, rates, latencies, distinct requests and their anonymity sets."""

from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any, Final

from client_sim.device.pointer import permille_at
from client_sim.fleet.errors import first_line
from client_sim.fleet.fleet import Moment, Outcome
from client_sim.fleet.lines import LineCount
from client_sim.fleet.tally import BINS, Failure
from client_sim.fleet.twins import Sample
from client_sim.lab.oracles.grammar import parse_requests

_SHARES: Final = (0.0, *(each / 50 for each in range(1, 50)), 0.99, 0.995)
"""Shares of answers in the latency curve, without the slowest, which would hide all others."""

_SHOWS_MODEL: Final = frozenset({"codename", "proof-codename", "package"})


@dataclass(frozen=True, slots=True)
class Kind:
    """The requests of one row of the request table.

    `distinct` requests were sent, `sent` times in total; each was sent by `least` to `most` phones.
    `shows_model` says that such a request may reveal the model.
    """

    name: str
    distinct: int
    sent: int
    least: int
    most: int
    shows_model: bool


@dataclass(frozen=True, slots=True)
class Point:
    """The state at the end of an interval of simulated time.

    `reached` is the share of phones that the rollout had admitted by then, `arrived` the share of
    the phones with an older build that ran the newest build; `polls` and `requests` are those of
    the interval.
    """

    hours: float
    reached: float
    arrived: float
    polls: int
    requests: int


@dataclass(frozen=True, slots=True)
class Report:
    """The content of a report. Shares are 0 to 1, times are in seconds."""

    seed: int
    devices: int
    groups: int
    hours: float
    seconds: float
    speed: float
    workers: int
    kept_connections: bool
    polls: int
    requests: int
    connections: int
    polls_per_second: float
    requests_per_second: float
    most_requests_per_second: float
    worker_cpu_seconds: float
    bytes_sent: int
    bytes_received: int
    latencies: dict[str, float]
    begun_newest: int
    offers: int
    fetched: int
    switched: int
    arrived: int
    engine_every: int
    engine_phones: int
    engine_left_out: int
    engine_installs: int
    engine_share: float
    engine_refusals: tuple[str, ...]
    lessons: int
    failures: dict[str, int]
    server_failures: int
    mishaps: tuple[str, ...]
    requests_untold: int
    bytes_per_idle_phone: float
    bytes_per_phone: float
    outside_the_grammar: int
    kinds: tuple[Kind, ...]
    requests_seen: tuple[tuple[str, int, int], ...]
    curve: tuple[Point, ...]
    rates: tuple[tuple[float, float], ...]
    byte_rates: tuple[tuple[float, float], ...]
    answered_within: tuple[tuple[float, float], ...]


def make_report(outcome: Outcome, sample: Sample) -> Report:
    """Return the report of a run; the phones of `sample` used the real update engine."""
    tally, plan = outcome.tally, outcome.plan
    installs = tally.twins_installed + sample.installed
    kinds, outside = _sort_kinds(outcome.lines, outcome.target.host_header.encode())
    steps = [(a, b) for a, b in pairwise(_thin(outcome)) if b.real > a.real]
    rates = tuple((b.real, (b.requests - a.requests) / (b.real - a.real)) for a, b in steps)
    return Report(
        seed=plan.seed,
        devices=plan.devices,
        groups=len(outcome.survey.groups),
        hours=plan.seconds / 3600,
        seconds=outcome.real,
        speed=plan.seconds / outcome.real,
        workers=plan.workers,
        kept_connections=plan.keep,
        polls=tally.polls,
        requests=tally.requests,
        connections=tally.connections,
        polls_per_second=tally.polls / outcome.real,
        requests_per_second=tally.requests / outcome.real,
        most_requests_per_second=max((rate for _, rate in rates), default=0.0),
        worker_cpu_seconds=outcome.cpu,
        bytes_sent=tally.sent,
        bytes_received=tally.received,
        latencies={
            name: tally.latencies.quantile(share)
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("worst", 1.0))
        },
        begun_newest=outcome.newest,
        offers=tally.offers,
        fetched=tally.fetched,
        switched=tally.switched,
        arrived=tally.arrived,
        engine_every=0 if plan.twinning is None else plan.twinning.every,
        engine_phones=tally.twins + sample.made,
        engine_left_out=tally.twins_left_out,
        engine_installs=installs,
        engine_share=installs / max(1, tally.switched + sample.installed),
        engine_refusals=(*tally.twin_refusals, *sample.reasons),
        lessons=tally.lessons,
        failures={why.value: tally.failures[why] for why in Failure if tally.failures[why]},
        server_failures=tally.server_failures(),
        mishaps=tuple(fault.describe() for fault in tally.mishaps),
        requests_untold=tally.untold,
        bytes_per_idle_phone=outcome.memory[0] / plan.devices,
        bytes_per_phone=outcome.memory[1] / plan.devices,
        outside_the_grammar=outside,
        kinds=kinds,
        requests_seen=tuple(
            (first_line(line.data), line.sent, line.phones) for line in outcome.lines
        ),
        curve=_draw_curve(outcome),
        rates=rates,
        byte_rates=tuple((b.real, (b.size - a.size) / (b.real - a.real)) for a, b in steps),
        answered_within=tuple((tally.latencies.quantile(share) * 1000, share) for share in _SHARES),
    )


def report_to_dict(report: Report) -> dict[str, Any]:
    """Return the report as JSON values."""
    values = asdict(report)
    values["requests_seen"] = [
        {"request": request, "sent": sent, "phones": phones}
        for request, sent, phones in report.requests_seen
    ]
    return values


def reached_share(outcome: Outcome, at: float) -> float:
    """Return the share of phones that the schedules of all groups had admitted at `at`."""
    reached = sum(
        phones * (0 if pointer.halted else permille_at(pointer.schedule, at))
        for phones, pointer in zip(outcome.by_group, outcome.survey.pointers, strict=True)
    )
    return reached / 1000 / max(1, sum(outcome.by_group))


def _draw_curve(outcome: Outcome) -> tuple[Point, ...]:
    tally, seconds = outcome.tally, outcome.plan.seconds
    older = max(1, outcome.plan.devices - outcome.newest)
    points = []
    for index, arrived in enumerate(accumulate(tally.arrived_in)):
        end = seconds * (index + 1) / BINS
        points.append(
            Point(
                hours=end / 3600,
                reached=reached_share(outcome, outcome.begin + end),
                arrived=arrived / older,
                polls=tally.polled_in[index],
                requests=tally.requested_in[index],
            )
        )
    return tuple(points)


def _thin(outcome: Outcome) -> list[Moment]:
    """Return about a hundred of the moments, including the first and the last."""
    moments = outcome.moments
    step = max(1, len(moments) // 100)
    return [*moments[:-1:step], moments[-1]]


def _sort_kinds(lines: list[LineCount], host: bytes) -> tuple[tuple[Kind, ...], int]:
    """Return the requests by row of the request table, and the number of those that fit no row."""
    by_kind: dict[str, list[LineCount]] = {}
    outside = 0
    for line in lines:
        parsed = parse_requests(line.data, host)
        if len(parsed) == 1:
            by_kind.setdefault(parsed[0].rule, []).append(line)
        else:
            outside += 1
    kinds = [
        Kind(
            name=name,
            distinct=len(found),
            sent=sum(line.sent for line in found),
            least=min(line.phones for line in found),
            most=max(line.phones for line in found),
            shows_model=name in _SHOWS_MODEL,
        )
        for name, found in by_kind.items()
    ]
    return tuple(sorted(kinds, key=lambda kind: -kind.sent)), outside
