"""`hening-device lab record`: record what a real client sends when it polls."""

import asyncio
import json
import signal
import ssl
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click

from client_sim.clock import read_clock
from client_sim.lab.captures.answers import load_nothing, load_source
from client_sim.lab.captures.capture_file import CaptureFile
from client_sim.lab.captures.recorder import Recorder, RecordingEvent, TlsSetup
from client_sim.lab.captures.rendering import printable, show_name
from client_sim.lab.commands.running import failing
from client_sim.lab.errors import LabError

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


def _read_address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    "record",
    epilog="Example: hening-device lab record poll.pcapng --port 8080 --connections 1",
)
@click.argument("capture", type=click.Path(path_type=Path))
@click.option(
    "--listen",
    default="127.0.0.1",
    callback=_read_address,
    metavar="ADDRESS",
    help="The address to listen on; 0.0.0.0 for clients on other machines.",
)
@click.option(
    "--port",
    default=0,
    show_default=False,
    type=click.IntRange(0, 65535),
    help="The port (default: a free one, which is printed).",
)
@click.option(
    "--metadata",
    metavar="DIR|URL",
    help="A public tree or a server to answer from; hening's own client needs signed metadata.",
)
@click.option("--certificate", type=_FILE, help="Use TLS with this certificate chain (PEM).")
@click.option("--key", type=_FILE, help="Its private key, if --certificate does not contain it.")
@click.option("--connections", type=click.IntRange(1), help="End after this many connections.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after this time.")
@click.option("--show-personal", is_flag=True, help="Do not redact possible identifiers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON at the end.")
def record_command(
    capture: Path,
    listen: str,
    port: int,
    metadata: str | None,
    certificate: Path | None,
    key: Path | None,
    connections: int | None,
    seconds: float | None,
    show_personal: bool,
    as_json: bool,
) -> None:
    """Answer a client that there is no update, and record its requests as pcapng.

    The recording ends with Ctrl-C, after --connections or after --seconds. `lab audit` reads the
    file. With TLS the file contains the session keys, so anyone who has the file can read it.
    """
    if key is not None and certificate is None:
        raise click.UsageError("--key goes with --certificate")
    with failing():
        load = load_nothing if metadata is None else load_source(metadata)
        with tempfile.TemporaryDirectory(prefix="hening-record-") as folder:
            keys = Path(folder) / "keys"
            secure = (
                None if certificate is None else TlsSetup(_secure(certificate, key, keys), keys)
            )
            with CaptureFile(capture) as file:
                recorder = Recorder(
                    file,
                    load,
                    read_clock,
                    lambda event: _print_event(event, personal=show_personal, err=as_json),
                    secure=secure,
                    limit=connections,
                )
                asyncio.run(_record(recorder, listen, port, seconds, err=as_json))
    count, requests = recorder.connections, recorder.requests
    if as_json:
        summary = {"capture": str(capture), "connections": count, "requests": requests}
        click.echo(json.dumps(summary, indent=2))
        return
    click.echo(f"{capture}: {count} connections, {requests} requests; `lab audit` judges them")


def _secure(certificate: Path, key: Path | None, keys: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise LabError(
            f"{certificate} cannot be used ({error}): give a chain and its key as PEM"
        ) from error
    keys.touch(0o600)
    context.keylog_filename = str(keys)
    return context


async def _record(
    recorder: Recorder, listen: str, port: int, seconds: float | None, *, err: bool
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, recorder.done.set)
    if seconds is not None:
        loop.call_later(seconds, recorder.done.set)

    def listening(address: str, own_port: int) -> None:
        shown = f"[{address}]" if ":" in address else address
        click.echo(f"listening at {shown}:{own_port}; Ctrl-C ends the recording", err=err)

    await recorder.run(listen, port, listening)


def _print_event(event: RecordingEvent, *, personal: bool, err: bool) -> None:
    if event.request is None:
        line = f"connection {event.connection}: closed, {event.size} bytes received"
    else:
        words = (event.request.method, event.request.target, event.request.version)
        request = show_name(b" ".join(words), personal=personal)
        line = f"connection {event.connection}: {request} -> {event.status}"
    click.echo(printable(line), err=err)
