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
from client_sim.lab.live import Target, examine_live, plan_public, plan_target
from client_sim.lab.loading import load_client
from client_sim.lab.report import finding_to_dict, render_findings, render_terminal, verdict_to_dict
from client_sim.lab.scenario import SHORT_STORY
from client_sim.persona import PERSONA_LIMIT, Persona, PersonaError, decode_persona, make_persona

_RECORDING_LIMIT: Final = 16 * 1024 * 1024  # octets of a recording: days of polls
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def lab() -> None:
    """Prove what a phone's polling says about its owner."""


def _fail(message: str, status: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    raise SystemExit(status)


def _read_mappings(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(host and address for host, _, address in pairs):
        raise click.BadParameter("write HOST=ADDRESS")
    return {host: address for host, _, address in pairs}


@lab.command(
    "run",
    epilog="Example: hening-device lab run --url http://updates.hening.example:8080"
    " --root 1.root.json",
)
@click.option("--url", required=True, help="The server to poll, http://HOST:PORT.")
@click.option(
    "--resolve",
    multiple=True,
    callback=_read_mappings,
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
    "--now", type=float, help="Virtual time at the start, epoch seconds (default: the present)."
)
@click.option("--codename", default="armani", show_default=True, help="The model that polls.")
@click.option("--region", default="id", show_default=True, help="Its region.")
@click.option("--channel", default="stable", show_default=True, help="Its channel.")
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
    try:
        target = plan_target(url, resolve)
        public = plan_public(
            target, root.read_bytes(), codename=codename, region=region, channel=channel
        )
        owners = [make_persona(seed + number) for number in range(personas)]
        verdict = examine_live(
            load_client(client),
            target,
            public,
            owners,
            SHORT_STORY,
            name=client,
            start=float(int(read_clock())) if now is None else now,
        )
        if html is not None:
            html.write_text(render_html(verdict), encoding="utf-8")
    except (SurroundingsError, OSError) as error:
        _fail(str(error), 3)
    except LabError as error:
        _fail(str(error), 1)
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
            target, root.read_bytes(), codename="armani", region="id", channel="stable"
        )
        said = explain_poll(load_client(client), public, START)
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


def _load(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        octets = file.read(limit + 1)
    if len(octets) > limit:
        raise LabError(f"{path} has more than {limit} octets: cut it into connections")
    return octets


def _load_persona(path: Path) -> Persona:
    return decode_persona(_load(path, PERSONA_LIMIT))
