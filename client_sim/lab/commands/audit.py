"""`hening-device lab audit`: judge a recording of a real phone."""

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from client_sim.clock import read_clock
from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.dialects import DIALECTS
from client_sim.lab.captures.known_values import Known, decode_known
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.captures.rendering import (
    audit_to_dict,
    render_audit,
    render_audit_junit,
    render_audit_sarif,
    render_page,
)
from client_sim.lab.commands.reporting import ReportOptions, report_options, write_reports
from client_sim.lab.commands.running import failing
from client_sim.pages.page import Origin
from client_sim.persona import PERSONA_LIMIT

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


def _read_phones(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> frozenset[bytes]:
    try:
        return frozenset(ip_address(value).packed for value in values)
    except ValueError as error:
        raise click.BadParameter(f"{error}: give an IPv4 or IPv6 address") from None


@click.command(
    "audit",
    epilog="Example: hening-device lab audit capture.pcapng --phone 192.0.2.7"
    " --host updates.hening.example:8080 --persona known.json",
)
@click.argument("capture", type=_FILE)
@click.option("--persona", type=_FILE, help="What is known about the phone and its owner, as JSON.")
@click.option(
    "--host",
    help="The value that Host must have, such as updates.example.org:8080 (default: the first).",
)
@click.option("--keylog", type=_FILE, help="Keys of TLS connections, as SSLKEYLOGFILE has them.")
@click.option(
    "--phone",
    multiple=True,
    callback=_read_phones,
    metavar="ADDRESS",
    help="An address of the phone (default: those that open connections); may be repeated.",
)
@click.option(
    "--dialect",
    "dialects",
    type=click.Choice(DIALECTS),
    multiple=True,
    help="The app is an existing Updater app with this dialect; may be repeated.",
)
@report_options
def audit_command(
    capture: Path,
    persona: Path | None,
    host: str | None,
    keylog: Path | None,
    phone: frozenset[bytes],
    dialects: tuple[str, ...],
    options: ReportOptions,
) -> None:
    """Judge a capture of a real phone: pcap, pcapng, HAR, or the raw bytes of one connection.

    The exit status is 0 only if every byte that left is explained. It is also 1 if something could
    not be judged, such as TLS requests without their keys. It is 3 if tshark is needed and missing.
    """
    personal = options.show_personal
    with failing():
        known = None if persona is None else _load_known(persona)
        content = load_capture(capture, phone, keylog)
        audit = audit_capture(
            content,
            None if host is None else host.encode(),
            known,
            personal=personal,
            dialects=dialects,
        )
    origin = Origin.read(read_clock())
    if options.as_json:
        click.echo(json.dumps(audit_to_dict(audit, personal=personal), indent=2))
    else:
        render_audit(audit, Console(), origin, personal=personal)
    write_reports(
        options,
        html=lambda: render_page(audit, origin, personal=personal),
        junit=lambda: render_audit_junit(audit, capture.name),
        sarif=lambda: render_audit_sarif(audit, capture.name),
    )
    raise SystemExit(0 if audit.is_clean else 1)


def _load_known(path: Path) -> Known:
    with path.open("rb") as file:
        return decode_known(file.read(PERSONA_LIMIT + 1))
