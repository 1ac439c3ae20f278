"""`run` and `check`: serve and verify a state folder."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from hening.times import UTC_TIMES, show_time
from server.cli.clock import choose_clock
from server.cli.database import run_in_database
from server.cli.options import (
    CONFIG,
    JSON,
    STATE,
    now,
    open_state,
    read_settings,
    require_state,
    settings_file,
)
from server.http.requests import GateMode
from server.processes.sockets import (
    decode_activation,
    inherit_sockets,
    notify,
    raise_descriptor_limit,
)
from server.publisher.errors import PublishError
from server.publisher.maintenance.checks.finding import Finding
from server.release.api import PREFIX
from server.settings import Node
from server.tables import print_table

if TYPE_CHECKING:
    from server.storage.database import Sessions

PORT = click.IntRange(0, 65_535)
_VERDICTS = {
    "": Text("in order", "green"),
    "warning": Text("due soon", "yellow"),
    "critical": Text("due", "red"),
}
_WRONG = Text("wrong", "red")


@click.command(epilog="Example: hening-server run --state var/server --port 8080")
@STATE
@CONFIG
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=PORT, help="Port to listen on; 0 is any free port.  [default: 8080]")
@click.option(
    "--gate",
    type=click.Choice([mode.value for mode in GateMode]),
    help="Which requests are accepted.  [default: direct]",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    help="Worker processes that serve phones; with 0 this process does.  [default: 0]",
)
@click.option("--socket", help="Path of a Unix socket for a proxy, in addition to the port.")
@click.option("--tls-cert", help="PEM file of the phones' TLS certificate; SIGHUP reads it again.")
@click.option("--tls-key", help="PEM file of the certificate's key.")
@click.option("--public-url", help="Address of this server for phones.")
@click.option("--metrics-port", type=PORT, help="Prometheus metrics on loopback; 0 for none.")
@click.option("--blobs-url", help="s3://BUCKET/PREFIX.  [default: STATE/blobs]")
@click.option(
    "--tree-url", help="s3://BUCKET/PREFIX of the tree that machines share.  [default: STATE]"
)
@click.option(
    "--node",
    type=click.Choice([node.value for node in Node]),
    help="The work of this process.  [default: all]",
)
@click.option("--api-host", help="Address of the control plane.  [default: 127.0.0.1]")
@click.option("--api-port", type=PORT, help="Its port; without one it does not listen.")
@click.option("--api-cert", help="PEM file of its TLS certificate.")
@click.option("--api-key", help="PEM file of the certificate's key.")
@click.option("--api-behind-proxy", is_flag=True, default=None, help="A proxy terminates its TLS.")
@click.option(
    "--urgent-port", type=PORT, help="A second port, only for urgent requests; 0 is any free port."
)
@click.option("--urgent-socket", help="Path of a Unix socket for urgent requests, for a proxy.")
@click.option("--console", is_flag=True, default=None, help="Serve the console on --api-port.")
@click.option("--console-url", help="Address of the console in browsers.  [default: loopback]")
@click.option("--api-rate", type=int, help="Requests of one token per second.  [default: 50]")
@click.option(
    "--webhook-private", is_flag=True, default=None, help="Webhooks may go to private addresses."
)
@click.option(
    "--unsafe-clock",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Simulations only: read the time from this file. Loopback only; marks the state.",
)
def run(
    state: Path,
    config: Path | None,
    unsafe_clock: Path | None,
    **options: str | int | bool | None,
) -> None:
    """Serve phones, publish what arrives in STATE/incoming, and renew the online roles.

    SIGTERM ends it after the requests under way. SIGHUP reads the certificate again and replaces
    the workers, one after the other. systemd may pass the listening sockets.
    """
    import asyncio

    import uvloop

    from server.app import running, running_device
    from server.device_serving import Inherited
    from server.observability import configure_logging, watch_loop
    from server.processes.priority import ProcessStarter, lower_priority

    settings = read_settings(state, config, **options)
    if settings.console and settings.api_port is None:
        raise click.UsageError(
            "the console is served on the control plane's port: give --api-port, too."
        )
    is_device = settings.node is Node.DEVICE
    folder = (
        open_state(state, settings) if is_device else require_state(state, settings, newest=False)
    )
    if not folder.trusted_root.exists():
        raise PublishError(f"no root is pinned in {state}: run `hening-server init --root` first.")
    passed = inherit_sockets(decode_activation(os.environ, os.getpid()))
    manager = os.environ.get("NOTIFY_SOCKET", "")
    clock, pace = choose_clock(unsafe_clock, now, folder, settings, has_sockets=bool(passed))
    configure_logging()
    raise_descriptor_limit()
    starter = None
    if settings.workers:
        starter = ProcessStarter()
        lower_priority()

    async def serve() -> None:
        stop, hangup = watch_loop(), asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
        api_ports: list[int] = []
        urgent_ports: list[int] = []
        inherited = Inherited(passed, os.environ, hangup, starter)
        node = (
            running_device(folder, settings, clock, inherited)
            if is_device
            else running(
                folder,
                settings,
                clock,
                entropy=os.urandom,
                announce_api=api_ports.append,
                announce_urgent=urgent_ports.append,
                inherited=inherited,
                pace=pace,
            )
        )
        async with node as port:
            if port:
                click.echo(_address("https" if settings.tls_cert else "http", settings.host, port))
            for api_port in api_ports + urgent_ports:
                scheme = "https" if settings.api_cert else "http"
                click.echo(_address(scheme, settings.api_host, api_port) + PREFIX)
            if settings.console and api_ports:
                from server.console.page import PREFIX as CONSOLE

                # Without a named address the console is on loopback, without TLS.
                address = _address("http", settings.api_host, api_ports[0])
                click.echo(f"{settings.console_url.rstrip('/') or address}{CONSOLE}/")
            notify(manager, "READY=1")
            await stop.wait()
            notify(manager, "STOPPING=1")

    uvloop.run(serve())


def _address(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{port}"


@click.command(epilog="Example: hening-server check --state var/server --deep")
@STATE
@CONFIG
@click.option("--deep", is_flag=True, help="Hash every blob again.")
@UTC_TIMES
@JSON
def check(state: Path, config: Path | None, deep: bool, as_json: bool) -> None:
    """Verify a state folder and its database completely; changes nothing.

    It continues after an error, and `run` may run meanwhile. Exit status 1 means that something is
    wrong, or that a role is due and has to be signed again now.
    """
    from server.publisher.maintenance.check import check_state, check_store
    from server.release.checks import check_control_plane
    from server.settings_checks import check_dialects, check_settings_files
    from server.storage.database import is_current
    from server.stores import open_blobs

    settings = read_settings(state, config)
    folder = require_state(state, settings, newest=False)
    store = check_store(folder, os.geteuid())
    blobs = open_blobs(folder, settings, now)

    async def look(sessions: Sessions) -> list[Finding]:
        found = await check_state(folder, sessions, blobs, now(), deep=deep)
        return [*found, *store, *await check_control_plane(sessions)]

    if is_current(folder.database):
        findings = run_in_database(folder, look)
        user = state.stat().st_uid  # root may run the check, too
        findings += check_settings_files(settings_file(state, config), settings, user)
        findings += check_dialects(folder, settings.compat, blobs, int(now().timestamp()))
    else:
        findings = [Finding("database", "", "it has an older version: run `migrate` first.")]
    if as_json:
        click.echo(json.dumps([_describe(finding) for finding in findings]))
    else:
        print_table(
            "",
            ("subject", "verdict", "finding"),
            [
                (
                    finding.subject,
                    _WRONG if finding.error else _VERDICTS[finding.due],
                    finding.error or finding.describe(show_time),
                )
                for finding in findings
            ],
        )
    if any(finding.error or finding.due == "critical" for finding in findings):
        sys.exit(1)


def _describe(finding: Finding) -> dict[str, str]:
    return {
        "subject": finding.subject,
        "detail": finding.describe(_utc),
        "error": finding.error,
        "due": finding.due,
    }


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
