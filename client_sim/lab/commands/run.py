"""`hening-device lab run`: examine a client."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from client_sim.clock import read_clock
from client_sim.lab.clients.loading import load_client
from client_sim.lab.commands.options import (
    load_root,
    read_codename,
    read_mappings,
    read_now,
    read_short,
)
from client_sim.lab.commands.reporting import ReportOptions, report_options, show_report
from client_sim.lab.commands.running import ending_with_children, fail, show_progress
from client_sim.lab.errors import ClientOverdueError, EnvironmentFailedError, LabError
from client_sim.lab.programme.execute import run_matrix, run_programme
from client_sim.lab.programme.library import OURS
from client_sim.lab.programme.live import Target, examine_live, plan_public, plan_target
from client_sim.lab.programme.plan import Plan
from client_sim.lab.programme.result import Report, load_clock, load_mutation
from client_sim.lab.programme.runner import open_pool

_ENOUGH: Final = 2  # independent methods per leaky client; `lab mutants` applies all of them
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "run",
    epilog="Example: hening-device lab run --client my_phone.polling:factory --full"
    " --html page.html",
)
@click.option(
    "--client", default="clean", help="clean, 2014, toy, a mutant's id, or package.module:factory."
)
@click.option(
    "--full",
    is_flag=True,
    help="Run the complete examination for a release: many minutes instead of one.",
)
@click.option(
    "--mutants/--no-mutants",
    default=None,
    help="Also test the instrument on leaky clients (default: only with --client clean).",
)
@click.option("--seed", default=0, help="Seed of all random values.")
@click.option("--jobs", default=2, type=click.IntRange(1, 64), help="Number of processes.")
@click.option("--clock", type=_FILE, help="Include the file written by lab clock in the report.")
@click.option("--url", help="Poll a real server, http://HOST:PORT, over real sockets.")
@click.option(
    "--resolve",
    multiple=True,
    callback=read_mappings,
    metavar="HOST=ADDRESS",
    help="With --url: the address of the host name (default 127.0.0.1).",
)
@click.option("--root", type=_FILE, help="With --url: the TUF root that the phone ships with.")
@click.option(
    "--pairs",
    default=4,
    type=click.IntRange(1, 1000),
    help="With --url: the number of pairs of owners to compare.",
)
@click.option(
    "--now",
    type=float,
    callback=read_now,
    help="With --url: virtual time at the end, in epoch seconds (default: now).",
)
@click.option(
    "--codename", default="armani", callback=read_codename, help="With --url: the model that polls."
)
@click.option("--region", default="id", callback=read_short, help="With --url: its region.")
@click.option("--channel", default="stable", callback=read_short, help="With --url: its channel.")
@report_options
def run_command(
    client: str,
    full: bool,
    mutants: bool | None,
    seed: int,
    jobs: int,
    clock: Path | None,
    url: str | None,
    resolve: dict[str, str],
    root: Path | None,
    pairs: int,
    now: float | None,
    codename: str,
    region: str,
    channel: str,
    options: ReportOptions,
) -> None:
    """Examine a client: run every battery of the programme and judge every byte.

    Without --url all runs are in virtual time, against a server in the same process. The same seed
    gives the same report, byte for byte. The exit status is 1 if anything was found. It is 3 if the
    client did not return and nothing had been found until then; the report is then incomplete.
    """
    try:
        if url is not None:
            if root is None:
                raise click.UsageError("--url needs --root: the TUF root that the phone ships with")
            target = _plan_target(url, resolve)
            public = plan_public(
                *(target, load_root(root)), codename=codename, region=region, channel=channel
            )
            with show_progress() as on_progress:
                report = Report(
                    examine_live(
                        *(load_client(client), target, public),
                        name=client,
                        pairs=pairs,
                        now=read_clock() if now is None else now,
                        on_progress=on_progress,
                        seed=seed,
                    )
                )
        else:
            with ending_with_children():
                report = _run(client, full, mutants, seed, jobs, clock)
    except (EnvironmentFailedError, ClientOverdueError, OSError) as error:
        fail(str(error), 3)
    except LabError as error:
        fail(str(error), 1)
    show_report(report, options)
    is_no_verdict = report.result.given_up and not report.result.failed()
    raise SystemExit(0 if report.is_good else 3 if is_no_verdict else 1)


def _plan_target(url: str, resolve: Mapping[str, str]) -> Target:
    try:
        return plan_target(url, resolve)
    except LabError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None


def _run(
    client: str,
    full: bool,
    mutants: bool | None,
    seed: int,
    jobs: int,
    clock: Path | None,
) -> Report:
    timed = None if clock is None else load_clock(clock)
    # The leaky clients use the same pool, because its workers have already parsed and checked
    # the metadata that they need.
    with show_progress() as on_progress, open_pool(jobs) as pool:
        result = run_programme(Plan(client, "full" if full else "quick", seed), pool, on_progress)
        matrix = None
        wants_matrix = client == "clean" if mutants is None else mutants
        if wants_matrix and not result.given_up:
            try:
                matrix = run_matrix(
                    *("mutant" if full else "probe", seed, pool, on_progress),
                    libraries=(OURS,),
                    quick=not full,
                    enough=_ENOUGH,
                )
            except ClientOverdueError as error:
                result = replace(result, given_up=f"the kill matrix is missing: {error}")
    return Report(result, matrix, None if matrix is None else load_mutation(), timed)
