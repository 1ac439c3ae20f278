"""`hening-device lab audit`: judge a recording."""

import json
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from client_sim.lab.captures.audit import audit_octets
from client_sim.lab.commands.ending import fail
from client_sim.lab.errors import LabError
from client_sim.lab.report.terminal import finding_to_dict, render_findings
from client_sim.persona import PERSONA_LIMIT, Persona, PersonaError, decode_persona

_RECORDING_LIMIT: Final = 16 * 1024 * 1024  # octets of a recording: days of polls
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
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
        fail(str(error), 3)
    except (LabError, PersonaError) as error:
        fail(str(error), 1)
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
