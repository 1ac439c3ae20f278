"""`hening-device lab explain`: show the bytes of a poll."""

import json
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from client_sim.lab.clients.loading import load_client
from client_sim.lab.commands.options import load_root, read_host
from client_sim.lab.commands.running import failing
from client_sim.lab.programme.dissection import explain_poll
from client_sim.lab.programme.live import Target, plan_public
from client_sim.lab.programme.testbed import START
from client_sim.lab.report.exchanges import exchange_to_dict, render_exchanges

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "explain", epilog="Example: hening-device lab explain --root 1.root.json --port 8080"
)
@click.option("--root", required=True, type=_FILE, help="The TUF root that the phone ships with.")
@click.option(
    "--host",
    default="updates.example.org",
    callback=read_host,
    help="The host name that the phone knows.",
)
@click.option(
    "--port", default=80, type=click.IntRange(1, 65535), help="The port that the phone knows."
)
@click.option("--client", default="clean", help="As for lab run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_command(root: Path, host: str, port: int, client: str, as_json: bool) -> None:
    """Print the exact bytes that a poll sends, and the purpose of each.

    The client polls a server in the same process that has no update. Nothing leaves the machine.
    """
    target = Target(host, port, "127.0.0.1")
    with failing():
        public = plan_public(
            target, load_root(root), codename="armani", region="id", channel="stable"
        )
        exchanges = explain_poll(load_client(client), public, START)
    if as_json:
        click.echo(json.dumps([exchange_to_dict(exchange) for exchange in exchanges], indent=2))
    else:
        render_exchanges(exchanges, Console())
