"""`hening-device lab mutants`: test the instrument on clients and servers known to leak."""

import json
from typing import Final

import click
from rich.console import Console

from client_sim.lab.commands.running import ending_with_children, fail, show_progress
from client_sim.lab.errors import LabError
from client_sim.lab.programme.execute import run_matrix
from client_sim.lab.programme.library import OURS
from client_sim.lab.programme.runner import open_pool
from client_sim.lab.report.json import matrix_to_dict
from client_sim.lab.report.kill_matrix import render_matrix

_ENOUGH: Final = 2  # independent methods, after which --quick stops examining a client


@click.command("mutants", epilog="Example: hening-device lab mutants --quick --json")
@click.option(
    "--library",
    "libraries",
    multiple=True,
    metavar="PACKAGE.MODULE:NAME",
    help="Third-party clients: a sequence of Mutant, or a dict of factories by id. They replace"
    " the built-in clients and servers.",
)
@click.option(
    "--quick", is_flag=True, help="Try one of each family; stop when two methods have found it."
)
@click.option("--seed", default=0, help="Seed of all random values.")
@click.option("--jobs", default=2, type=click.IntRange(1, 64), help="Number of processes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def mutants_command(
    libraries: tuple[str, ...], quick: bool, seed: int, jobs: int, as_json: bool
) -> None:
    """Print the kill matrix: which oracle finds which leaky client, and which check which server.

    The exit status is 1 if a leaky client or server is not found, if a harmless one raises an
    alarm, or if fewer than two independent methods find a family and no reason is recorded.
    """
    profile = "probe" if quick else "mutant"
    try:
        with (
            ending_with_children(),
            show_progress() as on_progress,
            open_pool(jobs) as pool,
        ):
            matrix = run_matrix(
                *(profile, seed, pool, on_progress),
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
