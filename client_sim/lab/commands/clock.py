"""`hening-device lab clock`: compare two owners' polls on a real clock."""

import time
from pathlib import Path

import click
from rich.console import Console

from client_sim.lab.clients.loading import load_client
from client_sim.lab.commands.running import failing, show_progress
from client_sim.lab.programme.result import encode_clock
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.programme.wall_clock import FAMILY, compare_clocks, time_polls
from client_sim.lab.report.terminal import render_clock


@click.command("clock", epilog="Example: hening-device lab clock --samples 2000 --out clock.json")
@click.option(
    "--client", default="clean", help="clean, 2014, toy, a mutant's id, or package.module:factory."
)
@click.option(
    "--samples", default=1000, type=click.IntRange(100, 1_000_000), help="Polls of each owner."
)
@click.option("--seed", default=0, help="Seed of owners and of their order.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write JSON for lab run --clock.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def clock_command(client: str, samples: int, seed: int, out: Path | None, as_json: bool) -> None:
    """Poll over real sockets as two owners in a random order, and compare the durations.

    The comparison is statistical: with a clean client, all tests together raise a false alarm once
    in ten million runs. Each test reports the smallest effect that it would have detected. The exit
    status is 1 if two owners can be told apart.
    """
    with failing():
        factory = load_client(client)
        with show_progress() as on_progress:
            timed = time_polls(
                factory, plan_testbed(factory, seed), samples, time.perf_counter_ns, on_progress
            )
        rows = compare_clocks(*timed)
        if out is not None:
            out.write_bytes(encode_clock(rows))
    if as_json:
        click.echo(encode_clock(rows).decode(), nl=False)
    else:
        render_clock(rows, FAMILY, Console())
    raise SystemExit(0 if all(row.passed for row in rows) else 1)
