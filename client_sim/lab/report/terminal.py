"""The report on a terminal: claims, findings with their bytes, and last the verdict."""

from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.lab.programme.result import (
    CLAIM_NAMES,
    CLAIMS,
    BatteryResult,
    FieldEntropy,
    MutationScore,
    ProgrammeResult,
    WallClockRow,
)
from client_sim.lab.report.kill_matrix import summarise_matrix
from client_sim.lab.report.presentable import Presentable
from client_sim.lab.report.printable import render_findings, say
from client_sim.lab.report.wording import (
    NOT_VARIED,
    describe_claim,
    describe_coverage,
    describe_extent,
    group_findings,
    group_outcomes,
    make_crossings_table,
)
from client_sim.pages.page import Origin

_SHOWN: Final = 2  # findings per oracle on a terminal; JSON and HTML have more
_COLUMNS: Final = "    {:<14}{:>10}{:>10}{:>15}   "
_RESULT: Final = 12  # columns of a result
_QUESTION: Final = 30  # columns; with fewer left, the question is omitted


def render_terminal(presentable: Presentable, console: Console, origin: Origin) -> None:
    """Print the claims, then each finding with its bytes, then the verdict."""
    report = presentable.report
    result = report.result
    title = f"{result.client} · profile {result.profile} · seed {result.seed}"
    say(console, title, "bold")
    say(console, str(origin), "dim")
    if result.scope:
        say(console, result.scope)
    _render_claims(result, console)
    for battery in result.batteries:
        _render_battery(battery, console)
    if result.fields:
        console.print(_fields(result.fields))
    if result.crossings is not None:
        console.print(make_crossings_table(result.crossings))
        for coverage in result.crossings.coverages:
            say(console, describe_coverage(coverage, result.crossings))
    if report.wall_clock:
        console.print(make_clock_table(report.wall_clock))
    if report.matrix is not None:
        summarise_matrix(report.matrix, console)
    if report.mutation is not None:
        say(console, describe_mutation(report.mutation))
    for line in group_outcomes(result.sample.outcomes):
        say(console, line)
    _render_verdict(result, console)


def describe_mutation(score: MutationScore) -> str:
    """Return a sentence about the mutation testing of the oracles."""
    return (
        f"Tests of the oracles noticed {score.killed} of {score.killed + score.survived}"
        f" deliberate changes ({score.percent:.1f} %); of the others {score.argued} are argued to"
        " change nothing."
    )


def _render_claims(result: ProgrammeResult, console: Console) -> None:
    heading = _COLUMNS.format("", "cases", "runs", "bytes").rstrip()
    console.print(Text(heading, "dim"), soft_wrap=True)
    for claim, statement in CLAIMS.items():
        batteries = result.of_claim(claim)
        if not batteries:
            continue
        holds = all(battery.passed for battery in batteries)
        says = (describe_claim(claim, batteries) if holds else "") or statement
        sentence = f"{'✓' if holds else '✗'} {CLAIM_NAMES[claim]}: {says}"
        say(console, sentence, "bold green" if holds else "bold red")
        for battery in batteries:
            console.print(_battery_line(battery, console.width), soft_wrap=True)


def _battery_line(battery: BatteryResult, width: int) -> Text:
    result = "passed" if battery.passed else f"{battery.count:,} found"
    counts = (f"{number:,}" for number in (battery.cases, battery.runs, battery.size))
    line = Text(_COLUMNS.format(battery.oracle, *counts))
    line.append(result, "green" if battery.passed else "bold red")
    indent = " " * (_RESULT - len(result) + 2)
    if width >= len(line) + len(indent) + _QUESTION:
        line.append(f"{indent}{battery.question}", "dim")
        line.truncate(width, overflow="ellipsis")
    return line


def _render_battery(battery: BatteryResult, console: Console) -> None:
    # Equal sentences are shown only once.
    shown = [each.finding for each in group_findings(battery.findings)][:_SHOWN]
    render_findings(battery.oracle, shown, console)
    if battery.count > len(shown):
        say(console, f"{battery.oracle}: {battery.count - len(shown):,} more", "bold")
    if battery.smallest is not None:
        sentence = f"{battery.oracle}, minimised: {battery.smallest.text}"
        say(console, sentence, "bold")


def _fields(rows: tuple[FieldEntropy, ...]) -> Table:
    title = "What a poll can reveal, by field"
    table = Table("field", title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("values", "bits", "allowed", "smallest crowd"):
        table.add_column(name, justify="right")
    for row in rows:
        style = "" if row.is_within else "bold red"
        table.add_row(
            Text(row.field, style),
            f"{row.distinct:,}",
            Text(f"{row.bits:.2f}", style),
            f"{row.budget_bits:.2f}",
            f"{row.min_k:,}",
        )
    return table


def _render_verdict(result: ProgrammeResult, console: Console) -> None:
    summary = f"{result.runs:,} runs, {result.polls:,} polls, {result.size:,} bytes: "
    console.print()
    if result.given_up:
        say(console, f"The examination is incomplete: {result.given_up}.", "bold red")
    if result.is_clean:
        say(console, describe_extent(result))
        say(console, NOT_VARIED)
        say(console, f"{summary}clean.", "bold green")
    else:
        found = f" ({', '.join(result.failed())})" if result.failed() else ""
        say(console, f"{summary}{result.verdict.upper()}{found}.", "bold red")


def render_clock(rows: tuple[WallClockRow, ...], family: float, console: Console) -> None:
    """Print the tests, and whether they distinguish two owners."""
    console.print(make_clock_table(rows))
    found = [row.test for row in rows if not row.passed]
    if found:
        say(console, f"TWO OWNERS CAN BE TOLD APART by {', '.join(found)}.", "bold red")
    else:
        sentence = (
            f"Two owners cannot be told apart by {len(rows)} tests (alpha {family:g} in all)."
        )
        say(console, sentence, "bold green")


def make_clock_table(rows: tuple[WallClockRow, ...]) -> Table:
    """Return a table with a row for each test."""
    table = Table("test", title="Real clocks", title_justify="left", box=SIMPLE_HEAD)
    for name in ("samples", "p", "alpha"):
        table.add_column(name, justify="right")
    table.add_column("would see")
    for row in rows:
        style = "" if row.passed else "bold red"
        table.add_row(
            Text(row.test, style),
            f"{row.samples:,}",
            Text(f"{row.p_value:.2g}", style),
            f"{row.alpha:.1g}",
            Text(row.smallest_effect),
        )
    return table
