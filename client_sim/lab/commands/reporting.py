"""The report formats that every examining command offers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from client_sim.clock import read_clock
from client_sim.lab.commands.running import fail
from client_sim.lab.programme.result import Report
from client_sim.lab.report.html.page import render_page
from client_sim.lab.report.json import report_to_dict
from client_sim.lab.report.junit import render_junit
from client_sim.lab.report.presentable import present
from client_sim.lab.report.redaction import NoRedaction, OwnerRedaction
from client_sim.lab.report.sarif import render_sarif
from client_sim.lab.report.terminal import render_terminal
from client_sim.pages.page import Origin

_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Report options: JSON instead of text, files to write, whether personal values are shown."""

    as_json: bool
    html: Path | None
    junit: Path | None
    sarif: Path | None
    show_personal: bool


_OPTIONS: Final = (
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    click.option("--html", type=_FILE, help="Write a page that a browser shows."),
    click.option("--junit", type=_FILE, help="Write JUnit XML, which build servers read."),
    click.option("--sarif", type=_FILE, help="Write SARIF 2.1.0, which code hosts read."),
    click.option(
        "--show-personal", is_flag=True, help="Show personal values instead of redacting them."
    ),
)


def report_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the report options to a command, which receives them as `options`."""

    @wraps(command)
    def call(
        *args: object,
        as_json: bool,
        html: Path | None,
        junit: Path | None,
        sarif: Path | None,
        show_personal: bool,
        **others: object,
    ) -> None:
        options = ReportOptions(as_json, html, junit, sarif, show_personal)
        command(*args, options=options, **others)

    for option in reversed(_OPTIONS):
        call = option(call)
    return call


def show_report(report: Report, options: ReportOptions) -> None:
    """Print a report and write the requested files; exit with 3 if one cannot be written."""
    redaction = NoRedaction() if options.show_personal else OwnerRedaction(report.result.owners)
    presentable, origin = present(report, redaction), Origin.read(read_clock())
    if options.as_json:
        click.echo(json.dumps(report_to_dict(presentable), indent=2))
    else:
        render_terminal(presentable, Console(), origin)
    # Print first: a missing folder must not lose the result of ten minutes.
    write_reports(
        options,
        html=lambda: render_page(presentable, origin),
        junit=lambda: render_junit(presentable),
        sarif=lambda: render_sarif(presentable),
    )


def write_reports(
    options: ReportOptions,
    *,
    html: Callable[[], str],
    junit: Callable[[], str],
    sarif: Callable[[], str],
) -> None:
    """Write the requested files; exit with 3 if one cannot be written."""
    for name, path, render in (
        ("--html", options.html, html),
        ("--junit", options.junit, junit),
        ("--sarif", options.sarif, sarif),
    ):
        if path is not None:
            write_report(name, path, render())


def write_report(option: str, path: Path, text: str) -> None:
    """Write a requested file; exit with 3 if it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{option} cannot be written ({error}): name a file in an existing folder", 3)
