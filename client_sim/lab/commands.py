"""`hening-device lab`: examine a client, show what a poll is, audit a recording.

Exit status: 0 clean, 1 a leak or a bad input, 2 usage, 3 the surroundings failed.
"""

import json
from pathlib import Path
from typing import Final, NoReturn

import click
from rich.console import Console

from client_sim.clock import read_clock
from client_sim.lab.audit import audit_octets
from client_sim.lab.errors import LabError, SurroundingsError
from client_sim.lab.examine import START
from client_sim.lab.explain import explain_poll
from client_sim.lab.html import render_html
from client_sim.lab.live import Target, examine_live, plan_public, plan_start, plan_target
from client_sim.lab.loading import load_client
from client_sim.lab.options import (
    read_codename,
    read_host,
    read_mappings,
    read_now,
    read_short,
)
from client_sim.lab.report import finding_to_dict, render_findings, render_terminal, verdict_to_dict
from client_sim.lab.root import load_root
from client_sim.lab.scenario import STORY
from client_sim.persona import PERSONA_LIMIT, Persona, PersonaError, decode_persona, make_persona

_RECORDING_LIMIT: Final = 16 * 1024 * 1024  # octets of a recording: days of polls
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def lab() -> None:
    """Prove what a phone's polling says about its owner."""


def _fail(message: str, status: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    raise SystemExit(status)


@lab.command(
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
    help="clean, 2014, a mutant's name, or package.module:factory.",
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page.")
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
    as_json: bool,
    html: Path | None,
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
        verdict = examine_live(factory, target, public, owners, STORY, name=client, start=start)
    except (SurroundingsError, OSError) as error:
        _fail(str(error), 3)
    except LabError as error:
        _fail(str(error), 1)
    if html is not None:
        _write_page(html, render_html(verdict))
    if as_json:
        click.echo(json.dumps(verdict_to_dict(verdict), indent=2))
    else:
        render_terminal(verdict, Console())
    raise SystemExit(0 if verdict.is_clean else 1)


@lab.command("explain", epilog="Example: hening-device lab explain --root 1.root.json --port 8080")
@click.option("--root", required=True, type=_FILE, help="The TUF root that the phone ships with.")
@click.option(
    "--host",
    default="updates.example.org",
    show_default=True,
    callback=read_host,
    help="The host name that the phone knows.",
)
@click.option(
    "--port",
    default=80,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="The port that the phone knows.",
)
@click.option("--client", default="clean", show_default=True, help="As for lab run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_command(root: Path, host: str, port: int, client: str, as_json: bool) -> None:
    """Print the exact octets that a poll sends, and why each request is there.

    The client polls a server in the same process that has nothing new; nothing leaves the machine.
    """
    target = Target(host, port, "127.0.0.1")
    try:
        public = plan_public(
            target, load_root(root), codename="armani", region="id", channel="stable"
        )
        said = explain_poll(load_client(client), public, START)
    except OSError as error:
        _fail(str(error), 3)
    except LabError as error:
        _fail(str(error), 1)
    if as_json:
        rows = [{"why": why, "octets": octets.decode("latin-1")} for why, octets in said]
        click.echo(json.dumps(rows, indent=2))
        return
    for why, octets in said:
        click.echo(f"# {why}")
        for line in octets.decode("latin-1").split("\r\n")[:-1]:
            click.echo(f"{line}\\r\\n")
    click.echo(f"{sum(len(octets) for _, octets in said)} octets in {len(said)} requests.")


@lab.command(
    "audit",
    epilog="Example: hening-device lab audit recording.bin --persona persona.json"
    " --host updates.hening.example:8080",
)
@click.argument("recording", type=_FILE)
@click.option("--persona", type=_FILE, help="What is known about the phone's owner.")
@click.option("--host", help="The value that Host must have, such as updates.example.org:8080.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit_command(recording: Path, persona: Path | None, host: str | None, as_json: bool) -> None:
    """Judge the raw octets that a listener received on one connection."""
    try:
        octets = _load(recording, _RECORDING_LIMIT)
        owner = None if persona is None else _load_persona(persona)
    except OSError as error:
        _fail(str(error), 3)
    except (LabError, PersonaError) as error:
        _fail(str(error), 1)
    checks = audit_octets(octets, None if host is None else host.encode(), owner)
    clean = all(check.passed for check in checks)
    if as_json:
        found = {check.name: [finding_to_dict(f) for f in check.findings] for check in checks}
        click.echo(json.dumps({"clean": clean, "octets": len(octets), "findings": found}, indent=2))
    else:
        console = Console()
        for check in checks:
            render_findings(check.name, check.findings, console)
            click.echo(f"{check.name}: {'passed' if check.passed else f'{check.count} found'}")
    raise SystemExit(0 if clean else 1)


def _plan_target(url: str, resolve: dict[str, str]) -> Target:
    try:
        return plan_target(url, resolve)
    except LabError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None


def _write_page(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        _fail(f"--html cannot be written ({error}): name a file in a folder that is there", 3)


def _load(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        octets = file.read(limit + 1)
    if len(octets) > limit:
        raise LabError(f"{path} has more than {limit} octets: cut it into connections")
    return octets


def _load_persona(path: Path) -> Persona:
    return decode_persona(_load(path, PERSONA_LIMIT))
