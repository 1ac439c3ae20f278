"""`hening-device compat`: shows what a deployment would offer to an existing Updater app."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from client_sim.device.options import AS_JSON, print_json

DIALECTS = ("lineage1", "lineage2", "graphene", "calyx", "custota", "crdroid", "pixelexperience")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "compat",
    context_settings={"show_default": False},
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device compat lineage2 https://updates.example --device FP4 \\\n"
        "      --channel nightly --version 23.0 --fetch fp4.zip --certificate ota.pem\n"
    ),
)
@click.argument("dialect", type=click.Choice(DIALECTS), metavar="DIALECT")
@click.argument("url", metavar="URL")
@click.option("--device", required=True, help="The model, as the app spells it.")
@click.option("--channel", default="", help="The app's channel or build type.")
@click.option("--version", default="", help="The running version, for example 23.0.")
@click.option("--built", default=0, help="The running build's date, in epoch seconds; 0: any.")
@click.option("--incremental", default="", help="The running build's incremental.")
@click.option("--fingerprint", default="", help="The running build's fingerprint.")
@click.option("--vbmeta", default="", help="The running system's vbmeta digest, in hex.")
@click.option("--certificate", type=_FILE, help="PEM file of the OTA key that the phone trusts.")
@click.option("--ca", type=_FILE, help="PEM file of the server's authority.  [default: system]")
@click.option(
    "--fetch",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Fetch the package into this file and verify it; a partial file is resumed.",
)
@AS_JSON
def compat_command(
    dialect: str,
    url: str,
    target: Path | None,
    certificate: Path | None,
    ca: Path | None,
    as_json: bool,
    **phone: Any,
) -> None:
    """Show what a deployment would offer to an existing Updater app.

    The command sends the requests of the app of DIALECT. Exit status 1 if the app would refuse an
    answer or the package, 3 if no answer came. With --fetch, an incremental is tried first for
    CalyxOS and GrapheneOS, as their apps do.
    """
    from client_sim.compat.checking import check_deployment
    from client_sim.compat.http_client import AppPhone, HttpSite

    tls = ssl.create_default_context(cafile=ca)
    pem = None if certificate is None else certificate.read_bytes()
    if dialect == "custota" and pem is None:
        raise click.UsageError("custota needs --certificate: its lists of parts are signed.")
    found = check_deployment(
        HttpSite(tls), dialect, url.rstrip("/"), AppPhone(**phone), pem, target
    )
    if as_json:
        print_json(found)
    elif found["offer"] is None:
        click.echo(f"The app would offer nothing to {phone['device']}.")
    else:
        offer = found["offer"]
        click.echo(f"The app would offer {offer['name'] or offer['url']}")
        built = datetime.fromtimestamp(offer["datetime"], UTC)
        shown = (
            offer | {"datetime": f"{built:%Y-%m-%d %H:%M:%S} UTC"} if offer["datetime"] else offer
        )
        for name in ("version", "datetime", "size", "sha256", "url"):
            if shown[name] not in {"", -1, 0}:
                click.echo(f"  {name:<9} {shown[name]}")
        if found["fetched"]:
            click.echo(f"Fetched and verified: {found['fetched']}.")
