"""`hening-device fleet`: many phones that poll, download and install over real sockets."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table

from client_sim.clock import read_clock
from client_sim.device.errors import DeviceError
from client_sim.device.options import RESOLVE
from client_sim.fleet.errors import FleetError
from client_sim.fleet.population import Habits
from client_sim.fleet.target import find_target

if TYPE_CHECKING:
    from client_sim.fleet.own_server import ClockFile, OwnServer
    from client_sim.fleet.report import Report
    from client_sim.pages.page import Origin

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_SHARE: Final = click.FloatRange(0, 1)
_STAGES: Final = ("1%=4h", "10%=6h", "50%=8h", "100%")
_MOST_WAKE: Final = 14_400  # seconds: the shortest interval between two polls
_MOST_HOURS: Final = 24 * 60  # less than the 90 days for which its own offline roles are valid


@click.command(
    epilog=("\b\nExample:\n  hening-device fleet --devices 100000 --hours 24 --out fleet.html\n"),
)
@click.option(
    "--devices", default=100_000, type=click.IntRange(1, 20_000_000), help="Number of phones."
)
@click.option(
    "--hours", default=24.0, type=click.FloatRange(0.001, _MOST_HOURS), help="Simulated hours."
)
@click.option(
    "--wake",
    metavar="SECONDS",
    type=click.FloatRange(1, _MOST_WAKE),
    help="Let all phones poll first within this time, as after a power cut."
    "  [default: spread as in a fleet that has run for long]",
)
@click.option(
    "--speed",
    default=3600.0,
    type=click.FloatRange(1, 20_000),
    help="Maximum simulated seconds in a second; own server only.",
)
@click.option("--workers", default=2, type=click.IntRange(1, 64), help="Number of processes.")
@click.option("--seed", default=1, help="The seed; equal seeds draw equal fleets.")
@click.option("--url", help="Poll this server, in real time.  [default: a server of its own]")
@click.option("--root", type=_FILE, help="The TUF root of that server's ROMs.")
@click.option("--authority", type=_FILE, help="PEM: the authority of that server's certificate.")
@RESOLVE
@click.option(
    "--load-another-machine",
    is_flag=True,
    help="Allow a --url on another machine; the server must be yours. Limits: https, 20,000 phones,"
    " 50 polls a second, 32 concurrent connections.",
)
@click.option(
    "--models",
    default=10,
    type=click.IntRange(1, 300),
    help="Models of the own server, each in three regions.",
)
@click.option(
    "--stage",
    "stages",
    multiple=True,
    help=f"A stage of the rollout, as `hening-server rollout` has it.  [{' '.join(_STAGES)}]",
)
@click.option(
    "--package-size",
    default=65_536,
    type=click.IntRange(1, 1 << 28),
    help="Approximate bytes of each package of the own server.",
)
@click.option(
    "--download-every",
    default=1,
    type=click.IntRange(1),
    help="Let only every Nth phone that installs fetch its package.",
)
@click.option(
    "--engine-every",
    default=5000,
    type=click.IntRange(1),
    help="Let the real update engine repeat every Nth installation; own server only.",
)
@click.option(
    "--connections",
    default=128,
    type=click.IntRange(1, 4096),
    help="Maximum open connections of each process.",
)
@click.option(
    "--keep-connections",
    is_flag=True,
    help="Send many polls over one connection, up to eight phones together; real phones do not.",
)
@click.option(
    "--sample",
    default=0,
    type=click.IntRange(0, 1000),
    help="Additional phones that install with the real update engine; with --url.",
)
@click.option(
    "--sample-package", type=_FILE, help="A full OTA zip: the build that sampled phones run."
)
@click.option("--certificate", type=_FILE, help="PEM certificate of the packages' signer.")
@click.option("--current", default=0.0, type=_SHARE, help="Share of phones that are up to date.")
@click.option(
    "--older", default=0.1, type=_SHARE, help="Share of phones that are two builds behind."
)
@click.option("--fresh", default=0.02, type=_SHARE, help="Share of phones that never polled.")
@click.option("--flaky", default=0.1, type=_SHARE, help="Share of phones with a bad network.")
@click.option("--skewed", default=0.05, type=_SHARE, help="Share of phones with a wrong clock.")
@click.option(
    "--state", type=click.Path(path_type=Path), help="Keep the own server in this new folder."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fleet(
    devices: int,
    hours: float,
    wake: float | None,
    speed: float,
    workers: int,
    seed: int,
    url: str | None,
    root: Path | None,
    authority: Path | None,
    resolve: Mapping[str, list[str]],
    load_another_machine: bool,
    models: int,
    stages: tuple[str, ...],
    package_size: int,
    download_every: int,
    engine_every: int,
    connections: int,
    keep_connections: bool,
    sample: int,
    sample_package: Path | None,
    certificate: Path | None,
    current: float,
    older: float,
    fresh: float,
    flaky: float,
    skewed: float,
    state: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Let many phones poll, download and install, and report what the server saw.

    Without --url, the fleet starts its own server on this machine, publishes generated models, and
    rolls out a build to them; the simulated clock runs as fast as the phones can poll. With --url,
    the phones poll another server in real time. A server on another machine needs
    --load-another-machine.
    """
    from client_sim.fleet.fleet import Plan, fit_plan, run_fleet
    from client_sim.fleet.presentation import Screen, render_page
    from client_sim.fleet.report import make_report
    from client_sim.fleet.survey import survey
    from client_sim.fleet.twins import Sample, install_sample
    from client_sim.pages.page import Origin

    plan = Plan(
        devices=devices,
        seconds=hours * 3600,
        speed=1.0 if url else speed,
        workers=min(workers, devices),
        seed=seed,
        habits=Habits(current, older, fresh, flaky, skewed),
        connections=connections,
        keep=keep_connections,
        download_every=download_every,
        wake=wake or 0.0,
    )
    with ExitStack() as stack:
        stack.enter_context(_ending_in_order())
        screen = stack.enter_context(Screen(plan.seconds, devices, quiet=as_json))
        clock: ClockFile | None = None
        sampled = Sample()
        if sample and not (url and sample_package and certificate):
            raise click.UsageError("--sample needs --url, --sample-package and --certificate.")
        if url is None:
            if root or authority or load_another_machine or resolve:
                raise click.UsageError("--root, --authority, --resolve and --load-… need --url.")
            screen.prepare("Starting a server")
            server = stack.enter_context(_make_server(stack, state))
            screen.prepare(f"Publishing {models} models")
            server.publish(models, package_size)
            plan = replace(plan, twinning=server.twinning(engine_every))
            target = find_target(
                server.url, server.root, None, devices=devices, may_leave=False, resolver={}
            )
            previous = survey(target, read_clock())
            server.roll_out(stages or _STAGES)
            seen, clock = survey(target, read_clock()), server.clock
        else:
            if root is None:
                raise click.UsageError("--url needs --root, the TUF root of that server's ROMs.")
            if stages or state:
                raise click.UsageError("--stage and --state are for the fleet's own server.")
            target = find_target(
                *(url, _read_root(root), authority.read_text("latin-1") if authority else None),
                devices=devices,
                may_leave=load_another_machine,
                resolver=resolve,
            )
            plan = fit_plan(plan, target)
            seen = previous = survey(target, read_clock())
        screen.say(f"{devices:,} phones poll {target.host_header} from {plan.workers} processes.")
        if sample_package is not None and certificate is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hening-fleet-")))
            sampled = install_sample(
                *(target, seen.groups, sample, sample_package, certificate.read_bytes()),
                *(folder, read_clock),
            )
        screen.prepare(f"Waking {devices:,} phones")
        outcome = run_fleet(plan, target, previous, seen, clock, read_clock, screen.watch)
    report, origin = make_report(outcome, sampled), Origin.read(read_clock())
    if out is not None:
        out.write_text(render_page(report, origin), encoding="utf-8")
    _print(report, origin, out, as_json=as_json)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM end this process like Control-C, which also ends the fleet's own server."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _make_server(stack: ExitStack, state: Path | None) -> OwnServer:
    from client_sim.fleet.own_server import OwnServer

    if state is not None:
        if state.exists():
            raise FleetError(f"{state} exists already; choose a new folder for the fleet's server.")
        return OwnServer(state, read_clock)
    folder = Path(tempfile.mkdtemp(prefix="hening-fleet-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return OwnServer(folder, read_clock)


def _read_root(file: Path) -> bytes:
    from client_sim.device.trust import Trust

    data = file.read_bytes()
    try:
        Trust(data, {}, now=0.0, built_at=0)
    except DeviceError as error:
        raise FleetError(f"{file} is not a root that phones can start from: {error}") from error
    return data


def _print(report: Report, origin: Origin, out: Path | None, *, as_json: bool) -> None:
    from client_sim.fleet.presentation import summarise
    from client_sim.fleet.report import report_to_dict

    if as_json:
        click.echo(json.dumps(report_to_dict(report)))
        return
    summary = summarise(report)
    console = Console(highlight=False)
    console.print(f"[bold]{summary.title}[/bold]")
    for sentence in (*summary.sentences, *summary.engine, str(origin)):
        console.print(sentence, markup=False)
    numbers = Table(show_header=False)
    for name, value in summary.facts.items():
        numbers.add_row(name, value)
    for why, count in report.failures.items():
        numbers.add_row(why, f"{count:,}")
    console.print(numbers)
    for fault in report.mishaps:
        console.print(f"Failed: {fault}", markup=False)
    kinds = Table("request", "distinct", "sent", "fewest phones", "most phones")
    for kind in report.kinds:
        counts = (kind.distinct, kind.sent, kind.least, kind.most)
        kinds.add_row(kind.name, *(f"{count:,}" for count in counts))
    console.print(kinds)
    if out is not None:
        click.echo(f"The report is in {out}.")
