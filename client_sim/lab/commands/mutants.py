"""`hening-device lab mutants`: try the instrument on what is known to leak."""

import json
from typing import Final

import click
from rich.console import Console

from client_sim.lab.commands.running import ending_with_children, fail, show_progress
from client_sim.lab.errors import LabError
from client_sim.lab.programme.execute import run_matrix
from client_sim.lab.programme.library import OURS
from client_sim.lab.report.json import matrix_to_dict
from client_sim.lab.report.kill_matrix import render_matrix

_ENOUGH: Final = 2  # independent methods that found a client of a sample


@click.command("mutants", epilog="Example: hening-device lab mutants --quick --json")
@click.option(
    "--library",
    "libraries",
    multiple=True,
    metavar="PACKAGE.MODULE:NAME",
    help="Clients that somebody else wrote: a sequence of Mutant, or a dict of factories by id;"
    " tried in place of ours and of the servers.",
)
@click.option(
    "--quick", is_flag=True, help="Try one of each family, a client until two methods found it."
)
@click.option("--seed", default=0, help="Seed of everything that is drawn.")
@click.option("--jobs", default=2, type=click.IntRange(1, 64), help="How many processes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def mutants_command(
    libraries: tuple[str, ...], quick: bool, seed: int, jobs: int, as_json: bool
) -> None:
    """Print the kill matrix: which oracle finds which leaky client, which check which server.

    Exit status 1 where one survives, where a family has fewer than two independent killers and
    no reason is given for it, or where a harmless one raises an alarm.
    """
    profile = "probe" if quick else "mutant"
    try:
        with ending_with_children(), show_progress() as tell:
            matrix = run_matrix(
                *(profile, seed, jobs, tell),
                libraries=libraries or (OURS,),
                quick=quick,
                enough=_ENOUGH if quick else None,
            )
    except LabError as error:
        fail(str(error), 1)
    if as_json:
        click.echo(json.dumps(matrix_to_dict(matrix), indent=2))
    else:
        render_matrix(matrix, Console())
    raise SystemExit(0 if matrix.is_good else 1)
