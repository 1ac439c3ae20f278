"""`hening-device create`: makes a phone in its factory state."""

from dataclasses import asdict
from pathlib import Path

import click

from client_sim.device.image import Image, ImageFacts
from client_sim.device.options import AS_JSON, FILE, PHONE, print_json, read_host, read_region
from client_sim.device.release import DECIMAL, MAX_INTEGER
from client_sim.persona import make_persona


@click.command(
    "create",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device create --phone var/phone --package armani-1-full.zip \\\n"
        "      --root 1.root.json --certificate ota.pem --host updates.hening.example \\\n"
        "      --port 8080 --plain --region id --channel stable\n"
    ),
)
@PHONE
@click.option("--package", required=True, type=FILE, help="A full OTA zip: the first build.")
@click.option("--root", required=True, type=FILE, help="The TUF root that the ROM ships.")
@click.option(
    "--certificate", required=True, type=FILE, help="PEM certificate of the packages' signer."
)
@click.option("--host", required=True, callback=read_host, help="The update server's host name.")
@click.option("--port", type=click.IntRange(1, 65535), help="[default: 443, with --plain 80]")
@click.option("--plain", is_flag=True, help="No TLS; only for a server on this machine.")
@click.option("--authority", type=FILE, help="PEM: the authority of the server's certificate.")
@click.option("--region", default="id", callback=read_region, help="Its region.")
@click.option("--channel", default="stable", callback=read_region, help="Its channel.")
@click.option(
    "--counter",
    default=0,
    type=click.IntRange(0, MAX_INTEGER),
    help="The counter of the build in the package; the first release is usually counter 1.",
)
@click.option("--persona", type=int, metavar="SEED", help="Plant an owner's data on the phone.")
@AS_JSON
def create_command(
    folder: Path,
    package: Path,
    root: Path,
    certificate: Path,
    host: str,
    port: int | None,
    plain: bool,
    authority: Path | None,
    region: str,
    channel: str,
    counter: int,
    persona: int | None,
    as_json: bool,
) -> None:
    """Make a phone that runs the build in a full OTA zip."""
    from client_sim.device.factory import create_phone_from_package, read_package_facts

    values = read_package_facts(package)
    built_at = values.get("post-timestamp", "")
    image = Image(
        facts=ImageFacts(
            codename=values.get("pre-device", ""),
            region=region,
            channel=channel,
            host=host,
            port=port or (80 if plain else 443),
            tls=not plain,
            built_at=int(built_at) if DECIMAL.fullmatch(built_at) else 0,
        ),
        root=root.read_bytes(),
        ota_certificate=certificate.read_bytes(),
        authority=authority.read_text(encoding="latin-1") if authority else None,
    )
    phone = create_phone_from_package(
        folder,
        image,
        package,
        counter=counter,
        persona=None if persona is None else make_persona(persona),
    )
    if as_json:
        print_json({"phone": str(folder), "build": asdict(phone.running_build)})
    else:
        click.echo(f"{folder} runs build {counter}, {phone.running_build.fingerprint}.")
