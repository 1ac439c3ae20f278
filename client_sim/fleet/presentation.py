"""The report for people: in sentences, as progress on a terminal, and as a self-contained page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from client_sim.fleet.lines import LIMIT
from client_sim.fleet.report import Report
from client_sim.fleet.tally import Tally
from client_sim.pages.charts import Curve, plot_curves
from client_sim.pages.page import Origin, make_environment

_SHOWN: Final = 40  # rows in the page's request table; JSON has all
_TEMPLATE: Final = make_environment(Path(__file__).parent / "templates").get_template("fleet.html")


@dataclass(frozen=True, slots=True)
class Summary:
    """A report in sentences, and numbers by name in `facts`.

    The sentences of `engine` say how the phones were simulated.
    """

    title: str
    sentences: list[str]
    facts: dict[str, str]
    engine: list[str]


def summarise(report: Report) -> Summary:
    """Return the report in sentences."""
    older = report.devices - report.begun_newest
    share = report.arrived / older if older else 1.0
    title = f"{report.devices:,} phones, {report.hours:g} hours: {share:.1%} updated"
    first = (
        f"{report.groups} models, regions and channels; {report.hours:g} hours were simulated in"
        f" {format_seconds(report.seconds)}, {report.speed:,.0f} times as fast as real time."
        f" {report.arrived:,} of {older:,} phones with an older build run the newest one now."
    )
    connections = (
        "Connections were kept from poll to poll, and the two requests of a poll that finds"
        " nothing new were sent together; real phones do neither."
        if report.kept_connections
        else "Every poll used its own connection, like real phones."
    )
    verified = (
        f"Every answer had the hash of one that the phone's real code had verified; that code ran"
        f" {report.lessons:,} times, once for each worker, trust state and new answer."
    )
    engine = (
        f"{report.switched:,} phones of the fleet installed a build. {report.fetched:,} packages"
        " were fetched and had the signed hash; the other phones only decided, and fetched the"
        f" codename role and its proof. {_describe_engine(report)}"
    )
    untold = (
        f"{report.requests_untold:,} requests came after the first {LIMIT:,} distinct ones of a"
        " worker; the totals include them, but not the counts of distinct requests and senders."
    )
    refusals = [f"A sampled phone did not install: {reason}" for reason in report.engine_refusals]
    memory = (
        f"A sleeping phone needs {report.bytes_per_idle_phone:.0f} bytes of memory, and"
        f" {report.bytes_per_phone:.0f} at the end with all counts."
    )
    facts = {
        "polls": f"{report.polls:,}",
        "polls a second": f"{report.polls_per_second:,.0f}",
        "requests": f"{report.requests:,}",
        "requests a second": f"{report.requests_per_second:,.0f}",
        "connections": f"{report.connections:,}",
        "sent": format_bytes(report.bytes_sent),
        "received": format_bytes(report.bytes_received),
        "median latency": f"{report.latencies['p50'] * 1000:.2f} ms",
        "99 % within": f"{report.latencies['p99'] * 1000:.2f} ms",
        "distinct requests": f"{len(report.requests_seen):,}",
        "installs": f"{report.switched:,}",
        "failures by the server": f"{report.server_failures:,}",
        "seed": f"{report.seed}",
    }
    return Summary(
        title,
        [first, *([untold] if report.requests_untold else [])],
        facts,
        [f"{connections} {verified}", f"{engine} {memory}", *refusals],
    )


def _describe_engine(report: Report) -> str:
    installs = f"{report.engine_installs:,} of {report.engine_phones:,}"
    share = f"{report.engine_share:.3%} of all installs"
    if not report.engine_every:
        return (
            f"In addition, {installs} sampled phones installed with the real update engine,"
            f" {share}."
        )
    left_out = (
        f" {report.engine_left_out:,} twins were left out, because they would have taken too much"
        " of the run's time."
        if report.engine_left_out
        else ""
    )
    return (
        "In each worker the first phone that installed a build and every"
        f" {report.engine_every:,}th after it had a twin, a complete simulated phone: {installs}"
        " twins fetched the package, applied it with the real update engine, started and confirmed"
        f" the build, and ran the same build as their phone, {share}.{left_out}"
    )


def format_seconds(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min"


def format_bytes(count: int) -> str:
    """Return a size with three digits."""
    size, units = float(count), iter(("B", "kB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    while size >= 1000 and unit != "PB":
        size, unit = size / 1000, next(units)
    return f"{size:.3g} {unit}"


_LINES: Final = 10  # progress lines of a run without a terminal


class Screen:
    """Prints progress to standard error, nothing if `quiet`; use it as a context manager."""

    def __init__(
        self, seconds: float, devices: int, *, quiet: bool, console: Console | None = None
    ) -> None:
        self._seconds = seconds
        self._devices = devices
        self._quiet = quiet
        self._console = console or Console(stderr=True, highlight=False)
        self._shown = 0
        self._before = (0.0, 0)
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._progress = Progress(
                BarColumn(bar_width=24),
                TextColumn("{task.description}", markup=False),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._progress.start()
            self._progress.add_task("", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        if not self._quiet:
            self._console.print(sentence, markup=False, soft_wrap=True)

    def prepare(self, step: str) -> None:
        """Show a step of the preparation; on a terminal, a bar moves until the next step."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], description=f"{step} …")
        else:
            self.say(f"{step}.")

    def watch(self, simulated: float, real: float, tally: Tally) -> None:
        """Show the totals so far."""
        if self._quiet:
            return
        if self._progress is not None:
            sentence = self._describe(simulated, real, tally)
            self._progress.update(
                self._progress.task_ids[0],
                total=self._seconds,
                completed=simulated,
                description=sentence,
            )
        elif (step := int(simulated / self._seconds * _LINES)) > self._shown:
            self._shown = step
            self._console.print(
                self._describe(simulated, real, tally), markup=False, soft_wrap=True
            )

    def _describe(self, simulated: float, real: float, tally: Tally) -> str:
        at, requests = self._before
        rate = (tally.requests - requests) / (real - at) if real > at else 0.0
        self._before = real, tally.requests
        return (
            f"{simulated / 3600:.1f} h: {tally.polls:,} polls, {rate:,.0f} requests/s,"
            f" {format_bytes(tally.received)} received, {tally.arrived:,} updated,"
            f" {tally.server_failures():,} failed"
        )


def render_page(report: Report, origin: Origin) -> str:
    """Render the report as a whole self-contained page."""
    return _TEMPLATE.render(
        origin=origin,
        summary=summarise(report),
        report=report,
        shown=report.requests_seen[:_SHOWN],
        stretch=f"{report.hours * 60 / len(report.curve):.3g} minutes",
        outside=_describe_outside(report),
        adoption=plot_curves(
            "Adoption",
            "h",
            [
                Curve("let in", "two", [(p.hours, p.reached) for p in report.curve], True),
                Curve("arrived", "one", [(0, 0), *((p.hours, p.arrived) for p in report.curve)]),
            ],
            is_share=True,
        ),
        polls=plot_curves(
            "Polls", "h", [_curve_of("polls", [(p.hours, p.polls) for p in report.curve])]
        ),
        rates=plot_curves("Requests a second", "s", [_curve_of("requests", report.rates)]),
        sizes=plot_curves("Bytes a second", "s", [_curve_of("bytes", report.byte_rates)]),
        latencies=plot_curves(
            "Latencies",
            "ms",
            [Curve("answered", "one", report.answered_within)],
            is_share=True,
        ),
        anonymity=plot_curves(
            "Anonymity sets",
            "requests",
            [
                Curve(
                    "phones",
                    "one",
                    _steps([phones for _, _, phones in report.requests_seen]),
                    is_stepped=True,
                )
            ],
        ),
    )


def _curve_of(name: str, ends: Sequence[tuple[float, float]]) -> Curve:
    """Return a stepped curve; each value in `ends` applies from the previous x to its own x.

    A line between points would hide an interval in which nothing was counted.
    """
    begins = [0.0, *(x for x, _ in ends)]
    heights = [y for _, y in ends]
    return Curve(name, "one", list(zip(begins, [*heights, *heights[-1:]], strict=False)), True)


def _steps(heights: list[int]) -> list[tuple[float, float]]:
    """Return the points of steps of width 1."""
    return [*enumerate(heights), *((len(heights), height) for height in heights[-1:])]


def _describe_outside(report: Report) -> str:
    if not report.outside_the_grammar:
        return "All of them are in the request table."
    return f"{report.outside_the_grammar} are not in the request table, which is a defect."
