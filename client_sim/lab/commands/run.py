"""`hening-device lab run`: examine a client."""

from pathlib import Path
from typing import Final

import click

from client_sim.clock import read_clock
from client_sim.lab.clients.loading import load_client
from client_sim.lab.commands.ending import fail
from client_sim.lab.commands.options import read_codename, read_mappings, read_now, read_short
from client_sim.lab.commands.reporting import Wanted, report_options, show_report
from client_sim.lab.commands.root import load_root
from client_sim.lab.errors import LabError, SurroundingsError
from client_sim.lab.programme.live import Target, examine_live, plan_public, plan_start, plan_target
from client_sim.lab.programme.result import Report
from client_sim.lab.scenarios.driving import STORY
from client_sim.persona import make_persona

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "run",
    epilog="Example: hening-device lab run --url http://updates.hening.example:8080"
    " --root 1.root.json",
)
@click.option("--url", required=True, help="The server to poll, http://HOST:PORT.")
@click.option(
    "--resolve",
    multiple=True,
    callback=read_mappings,
    metavar="HOST=ADDRESS",
    help="Where the host name leads (default 127.0.0.1).",
)
@click.option("--root", required=True, type=_FILE, help="The TUF root that the phone ships with.")
@click.option(
    "--client",
    default="clean",
    show_default=True,
    help="clean, 2014, toy, a mutant's id, or package.module:factory.",
)
@click.option(
    "--personas",
    default=4,
    show_default=True,
    type=click.IntRange(2, 1000),
    help="How many owners.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the first persona.")
@click.option(
    "--now",
    type=float,
    callback=read_now,
    help="Virtual time at the start, epoch seconds (default: such that it ends at the present).",
)
@click.option(
    "--codename",
    default="armani",
    show_default=True,
    callback=read_codename,
    help="The model that polls.",
)
@click.option("--region", default="id", show_default=True, callback=read_short, help="Its region.")
@click.option(
    "--channel", default="stable", show_default=True, callback=read_short, help="Its channel."
)
@report_options
def run_command(
    url: str,
    resolve: dict[str, str],
    root: Path,
    client: str,
    personas: int,
    seed: int,
    now: float | None,
    codename: str,
    region: str,
    channel: str,
    wanted: Wanted,
) -> None:
    """Let a client poll a real server as different owners and judge every octet."""
    target = _plan_target(url, resolve)
    start = plan_start(float(int(read_clock())), STORY, personas) if now is None else now
    try:
        public = plan_public(
            target, load_root(root), codename=codename, region=region, channel=channel
        )
        owners = [make_persona(seed + number) for number in range(personas)]
        factory = load_client(client)
        result = examine_live(
            factory, target, public, owners, STORY, name=client, start=start, seed=seed
        )
    except (SurroundingsError, OSError) as error:
        fail(str(error), 3)
    except LabError as error:
        fail(str(error), 1)
    show_report(Report(result), wanted)
    raise SystemExit(0 if result.is_clean else 1)


def _plan_target(url: str, resolve: dict[str, str]) -> Target:
    try:
        return plan_target(url, resolve)
    except LabError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
