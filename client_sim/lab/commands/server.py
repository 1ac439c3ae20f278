"""`hening-device lab server`: search what a server keeps of requests, and compare its answers."""

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from client_sim.clock import read_entropy
from client_sim.lab.commands.running import failing
from client_sim.lab.errors import EnvironmentFailedError, LabError
from client_sim.lab.server_side.examine import examine_server
from client_sim.lab.server_side.inputs import (
    Dependencies,
    ServerInputs,
    Site,
    plan_site,
    render_server,
    server_to_dict,
)
from client_sim.lab.server_side.places import Places

_ENDING: Final = 300.0  # seconds; timeout of the --restart command
_PATH: Final = click.Path(exists=True, path_type=Path)


@click.command(
    "server",
    epilog="Example: hening-device lab server --url http://127.0.0.1:8080 --search var/server"
    " --metrics http://127.0.0.1:9100/metrics",
)
@click.option("--url", required=True, help="The server, http://HOST:PORT or https://HOST:PORT.")
@click.option("--host", help="The value of the Host header (default: from the URL).")
@click.option(
    "--search",
    multiple=True,
    type=_PATH,
    help="A file or folder that the server writes: state, logs, blobs, a dump of its database.",
)
@click.option(
    "--pid",
    multiple=True,
    type=click.IntRange(min=1),
    help="A server process (Linux): searches the files that it and its children map or write.",
)
@click.option("--metrics", multiple=True, help="URL of a page of metrics.")
@click.option(
    "--against", multiple=True, help="URL of another node, which must answer with equal bytes."
)
@click.option(
    "--restart",
    help="A command that restarts the server. What the server writes meanwhile is searched, and its"
    " answers must be the same as before.",
)
@click.option(
    "--source",
    multiple=True,
    help="Local addresses to send requests from (default on loopback: unused ones of 127/8).",
)
@click.option("--path", multiple=True, help="An additional path to request, such as a package's.")
@click.option(
    "--settle",
    default=1.0,
    type=click.FloatRange(0, 600),
    help="Seconds to wait for the server to finish writing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def server_command(
    url: str,
    host: str | None,
    search: tuple[Path, ...],
    pid: tuple[int, ...],
    metrics: tuple[str, ...],
    against: tuple[str, ...],
    restart: str | None,
    source: tuple[str, ...],
    path: tuple[str, ...],
    settle: float,
    as_json: bool,
) -> None:
    """Plant canaries in every position of requests to a server, and search everything it keeps.

    Canaries, client addresses and ports are searched for in plain, encoded and compressed form and
    as digests, also in the answers. All clients must get the same answers. Use a server that has no
    other clients meanwhile, because it would also write what they request.
    """
    site = _read_site(url, host, "--url")
    inputs = ServerInputs(
        site=site,
        places=Places(search, pid, metrics),
        against=tuple(_read_site(each, None, "--against") for each in against),
        restart=None if restart is None else _plan_restart(restart),
        sources=tuple(_read_source(each) for each in source),
        paths=tuple(_read_path(each) for each in path),
        settle=settle,
    )
    with failing():
        verdict = examine_server(
            inputs,
            Dependencies(read_entropy, time.sleep, time.monotonic, _plan_note(as_json=as_json)),
        )
    if as_json:
        click.echo(json.dumps(server_to_dict(verdict), indent=2))
    else:
        render_server(verdict, Console())
    raise SystemExit(0 if verdict.is_clean else 1)


def _read_site(url: str, host: str | None, hint: str) -> Site:
    try:
        return plan_site(url, host)
    except LabError as error:
        raise click.BadParameter(str(error), param_hint=hint) from None


def _read_source(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise click.BadParameter(
            f"{value} is not an address of this machine, such as 192.0.2.7", param_hint="--source"
        ) from None


def _read_path(value: str) -> bytes:
    if not value.startswith("/") or not value.isascii() or not value.isprintable() or " " in value:
        raise click.BadParameter(
            f"{value} is not a path, such as /log/checkpoint", param_hint="--path"
        )
    return value.encode()


def _plan_restart(command: str) -> Callable[[], None]:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise click.BadParameter(f"{command} is not a command", param_hint="--restart")

    def restart() -> None:
        try:
            done = subprocess.run(  # noqa: S603  # the operator's own command
                words, check=False, timeout=_ENDING, stdout=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EnvironmentFailedError(f"--restart failed: {error}") from error
        if done.returncode != 0:
            raise EnvironmentFailedError(
                f"--restart ended with status {done.returncode}: {command}"
            )

    return restart


def _plan_note(*, as_json: bool) -> Callable[[str], None]:
    """Return a function that prints each step once, or nothing if JSON was requested."""
    printed: list[str] = []

    def note(step: str) -> None:
        if not as_json and step not in printed[-1:]:
            printed.append(step)
            click.echo(f"{step} …", err=True)

    return note
