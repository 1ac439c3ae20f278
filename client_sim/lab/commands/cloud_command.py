"""`hening-device lab cloud`: examine a backup client."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from client_sim.clock import read_clock
from client_sim.lab.commands.reporting import write_report
from client_sim.lab.commands.running import ending_with_children, fail, show_progress
from client_sim.lab.errors import LabError
from client_sim.pages.page import Origin

_CASES: Final = 12  # pairs of owners with --full
_STRIDE: Final = 9  # without --full, every ninth of about 90 request boundaries is cut


@click.command(
    "cloud", epilog="Example: hening-device lab cloud --client my_backup.phone:factory --full"
)
@click.option(
    "--client", default="clean", help="clean, a leaky client's id, or package.module:factory."
)
@click.option(
    "--full",
    is_flag=True,
    help="Run the complete examination for a release: minutes instead of seconds.",
)
@click.option(
    "--mutants/--no-mutants",
    default=None,
    help="Also test the instrument on leaky clients (default: only with --client clean).",
)
@click.option("--seed", default=0, help="Seed of all random values.")
@click.option("--jobs", default=2, type=click.IntRange(1, 64), help="Number of processes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page that a browser shows.",
)
def cloud_command(
    client: str,
    full: bool,
    mutants: bool | None,
    seed: int,
    jobs: int,
    as_json: bool,
    html: Path | None,
) -> None:
    """Examine a phone's backup: silent when it is off, sealed when it is on.

    All runs are in virtual time, against a server in the same process. The same seed gives the
    same report. The exit status is 1 if anything was found.
    """
    # Imported here, so that the lab's other commands start quickly.
    from client_sim.lab.cloud.double import FLAWS
    from client_sim.lab.cloud.programme import examine, load_client, run_matrix
    from client_sim.lab.cloud.report import (
        CloudReport,
        render_page,
        render_terminal,
        report_to_dict,
    )
    from client_sim.lab.cloud.server_checks import try_server
    from client_sim.lab.programme.runner import Mapper, collecting_rarely, open_pool

    wants_matrix = client == "clean" if mutants is None else mutants
    try:
        # Without --full, starting a process takes longer than trying the leaky clients.
        pool = open_pool(jobs) if full and wants_matrix else nullcontext(Mapper(None))
        with (
            ending_with_children(),
            collecting_rarely(),
            show_progress() as on_progress,
            pool as mapper,
        ):
            cases, stride = (_CASES, 1) if full else (1, _STRIDE)
            found = examine(
                load_client(client), seed=seed, cases=cases, stride=stride, on_progress=on_progress
            )
            matrix = (
                run_matrix(mapper, seed, quick=not full, on_progress=on_progress)
                if wants_matrix
                else None
            )
            flaws = [(flaw,) for flaw in (*FLAWS, "")] if full and wants_matrix else []
            servers = tuple(mapper.map(try_server, flaws))
    except LabError as error:
        fail(str(error), 1)
    report = CloudReport(client, "full" if full else "quick", seed, found, matrix, servers)
    origin = Origin.read(read_clock())
    if as_json:
        click.echo(json.dumps(report_to_dict(report), indent=2))
    else:
        render_terminal(report, Console(), origin)
    if html is not None:
        write_report("--html", html, render_page(report, origin))
    raise SystemExit(0 if report.is_good else 1)
