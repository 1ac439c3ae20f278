"""`hening-device create`, `show`, `settings` and `reset`: a phone from its factory to its reset."""

from dataclasses import asdict, replace
from pathlib import Path

import click

from client_sim.device.conditions import load_settings, store_settings
from client_sim.device.image import Image, ImageFacts
from client_sim.device.options import (
    AS_JSON,
    FILE,
    PHONE,
    print_json,
    read_host,
    read_quiet_hours,
    read_region,
)
from client_sim.device.release import DECIMAL, MAX_INTEGER
from client_sim.device.reset import reset_phone
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
    from client_sim.device.candidate import METADATA, read_pairs
    from client_sim.device.factory import create_phone_from_package

    values = read_pairs(package, METADATA)
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


@click.command("show", epilog="\b\nExample:\n  hening-device show --phone var/phone --json\n")
@PHONE
@AS_JSON
def show_command(folder: Path, as_json: bool) -> None:
    """Show a phone's image, build and state; sends nothing."""
    from client_sim.device.phone import Phone
    from client_sim.device.summary import describe_summary, summarise

    phone = Phone(folder)
    if as_json:
        print_json(summarise(phone))
        return
    for line in describe_summary(phone):
        click.echo(line)


@click.command(
    "settings",
    epilog=(
        "\b\nExample:\n  hening-device settings --phone var/phone --ask --quiet-hours 22:00-07:00\n"
    ),
)
@PHONE
@click.option("--ask/--automatic", "asks", default=None, help="Ask the owner before installing.")
@click.option(
    "--metered/--no-metered", "metered", default=None, help="Download over metered networks."
)
@click.option(
    "--quiet-hours",
    "quiet",
    callback=read_quiet_hours,
    metavar="FROM-UNTIL",
    help="Install nothing in these hours of the day, such as 22:00-07:00.",
)
@click.option("--no-quiet-hours", is_flag=True, help="Install at any time of the day.")
@AS_JSON
def settings_command(
    folder: Path,
    asks: bool | None,
    metered: bool | None,
    quiet: tuple[int, int] | None,
    no_quiet_hours: bool,
    as_json: bool,
) -> None:
    """Set when updates may install themselves; polling does not depend on any of it."""
    from client_sim.device.phone import Phone

    if quiet is not None and no_quiet_hours:
        raise click.UsageError("--quiet-hours and --no-quiet-hours exclude each other.")
    phone = Phone(folder)
    settings = load_settings(phone.state)
    if asks is not None:
        settings = replace(settings, asks=asks)
    if metered is not None:
        settings = replace(settings, takes_metered=metered)
    if quiet is not None or no_quiet_hours:
        settings = replace(settings, quiet=quiet)
    store_settings(phone.state, settings)
    if as_json:
        print_json(asdict(settings))
    else:
        click.echo("The owner's settings are stored; hening-device show prints them.")


@click.command("reset", epilog="\b\nExample:\n  hening-device reset --phone var/phone --yes\n")
@PHONE
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@AS_JSON
def reset_command(folder: Path, is_sure: bool, as_json: bool) -> None:
    """Reset a phone to the state in which it left the factory; the build that runs stays."""
    from client_sim.device.phone import Phone

    phone = Phone(folder)
    if not is_sure:
        click.confirm(
            f"Remove all records of {folder} and all data of its owner?",
            abort=True,
            err=True,
        )
    reset_phone(folder)
    build = phone.running_build
    if as_json:
        print_json({"phone": str(folder), "running": asdict(build)})
    else:
        click.echo(f"{folder} was reset and runs build {build.counter}.")
