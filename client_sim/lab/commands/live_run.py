"""`hening-device lab run --url`: examine a client against a real server."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from client_sim.clock import read_clock
from client_sim.lab.clients.loading import load_client
from client_sim.lab.commands.progress import show_progress
from client_sim.lab.commands.root import load_root
from client_sim.lab.errors import LabError
from client_sim.lab.programme.live import Target, examine_live, plan_public, plan_target
from client_sim.lab.programme.result import ProgrammeResult


@dataclass(frozen=True, slots=True)
class Live:
    """The options of `lab run` about the server and the phone that polls it."""

    url: str
    resolve: Mapping[str, str]
    root: Path
    pairs: int
    now: float | None
    codename: str
    region: str
    channel: str


def run_live(client: str, seed: int, live: Live) -> ProgrammeResult:
    """Let a client poll a real server as different owners and judge every byte."""
    target = _plan_target(live.url, live.resolve)
    public = plan_public(
        target,
        load_root(live.root),
        codename=live.codename,
        region=live.region,
        channel=live.channel,
    )
    with show_progress() as tell:
        return examine_live(
            load_client(client),
            target,
            public,
            name=client,
            pairs=live.pairs,
            now=read_clock() if live.now is None else live.now,
            tell=tell,
            seed=seed,
        )


def _plan_target(url: str, resolve: Mapping[str, str]) -> Target:
    try:
        return plan_target(url, resolve)
    except LabError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
