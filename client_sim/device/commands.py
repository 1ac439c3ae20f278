"""The commands about a phone on disk: it is made, polls, installs and starts again."""

import datetime as dt
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from client_sim.device.client import PollOutcome
from client_sim.device.factory import create_phone_from_package, read_package_facts
from client_sim.device.image import Image, ImageFacts, is_host
from client_sim.device.names import DECIMAL, MAX_INTEGER, REGION
from client_sim.device.phone import Phone
from client_sim.device.screen import Screen
from client_sim.persona import make_persona
from client_sim.transport import encode_request, host_header

_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_SETTINGS: Final = {"help_option_names": ["-h", "--help"]}


def _read_mappings(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, list[str]]:
    mappings: dict[str, list[str]] = {}
    for value in values:
        host, _, address = value.partition("=")
        if not is_host(host) or not _is_address(address):
            raise click.BadParameter(f"{value} is not HOST=ADDRESS, such as a.example=127.0.0.1")
        mappings.setdefault(host, []).append(address)
    return mappings


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _read_host(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not is_host(value):
        raise click.BadParameter(f"{value} is no host name in lower case, such as a.example")
    return value


def _read_region(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not REGION.fullmatch(value):
        raise click.BadParameter(f"{value} is not 1 to 16 of a-z, 0-9 and -")
    return value


_PHONE = click.option(
    "--phone", "folder", required=True, type=_FOLDER, metavar="DIR", help="The phone's folder."
)
_RESOLVE = click.option(
    "--resolve",
    multiple=True,
    callback=_read_mappings,
    metavar="HOST=ADDRESS",
    help="The address of a name, in place of DNS; may be repeated.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    context_settings=_SETTINGS,
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device poll --phone var/phone --explain\n"
        "\n"
        "\b\n"
        "Exit status: 0 done, 1 refused, 2 usage, 3 the surroundings failed (network,\n"
        "disk, no such folder), 130 stopped with Ctrl-C.\n"
    ),
)
@click.version_option(package_name="hening")
def cli() -> None:
    """Simulate phones that ask for updates without saying who they are."""


@cli.command(
    "create",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device create --phone var/phone --package armani-1-full.zip \\\n"
        "      --root 1.root.json --certificate ota.pem --host updates.hening.example \\\n"
        "      --port 8080 --plain --region id --channel stable\n"
    ),
)
@_PHONE
@click.option("--package", required=True, type=_FILE, help="A full OTA zip: the first build.")
@click.option("--root", required=True, type=_FILE, help="The TUF root that the ROM ships.")
@click.option("--certificate", required=True, type=_FILE, help="PEM: who signs packages.")
@click.option("--host", required=True, callback=_read_host, help="The update server's host name.")
@click.option("--port", type=click.IntRange(1, 65535), help="[default: 443, with --plain 80]")
@click.option("--plain", is_flag=True, help="No TLS; only for a server on this machine.")
@click.option("--authority", type=_FILE, help="PEM: the authority of the server's certificate.")
@click.option(
    "--region", default="id", show_default=True, callback=_read_region, help="Where it was sold."
)
@click.option(
    "--channel", default="stable", show_default=True, callback=_read_region, help="What it follows."
)
@click.option(
    "--counter",
    default=0,
    show_default=True,
    type=click.IntRange(0, MAX_INTEGER),
    help="The counter of the build in the package; the first release is usually counter 1.",
)
@click.option("--persona", type=int, metavar="SEED", help="Plant an owner's data on the phone.")
@_JSON
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
        _print_json({"phone": str(folder), "build": asdict(phone.running_build)})
    else:
        click.echo(f"{folder} runs build {counter}, {phone.running_build.fingerprint}.")


@cli.command(
    "poll",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device poll --phone var/phone --resolve updates.hening.example=127.0.0.1\n"
    ),
)
@_PHONE
@_RESOLVE
@click.option("--explain", is_flag=True, help="Print the octets of every request.")
@_JSON
def poll_command(
    folder: Path, resolve: Mapping[str, list[str]], explain: bool, as_json: bool
) -> None:
    """Ask once whether there is something new; install nothing."""
    phone = Phone(folder, resolver=resolve)
    outcome = phone.poll()
    next_poll = phone.next_poll()
    host = host_header(phone.public)
    if as_json:
        _print_json({**_describe_poll(outcome), "next_poll": next_poll})
    else:
        if explain:
            for path in outcome.requests:
                for line in encode_request(host, path).decode("ascii").split("\r\n")[:-1]:
                    click.echo(f"{line}\\r\\n")
        for warning in outcome.warnings:
            click.echo(f"warning: {warning}", err=True)
        if outcome.failure is None:
            click.echo(outcome.reason)
    if outcome.failure is not None:
        raise outcome.failure


@cli.command(
    "install",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device install --phone var/phone --resolve updates.hening.example=127.0.0.1\n"
    ),
)
@_PHONE
@_RESOLVE
@click.option("--broken-boot", is_flag=True, help="Let the new build fail to start.")
@_JSON
def install_command(
    folder: Path, resolve: Mapping[str, list[str]], broken_boot: bool, as_json: bool
) -> None:
    """Poll, install what is offered, reboot, and confirm the new build or fall back."""
    phone = Phone(folder, resolver=resolve)
    before = phone.running_build
    with Screen(quiet=as_json) as screen:
        done = phone.install(progress=screen.progress, report=screen.say)
    reason, failed = done.reason, None
    if done.installed is not None:
        boot = phone.reboot(is_healthy=lambda build: not broken_boot or build == before)
        failed = boot.failed_build
        if failed is None:
            reason = f"Build {boot.build.counter} was installed and runs: {boot.build.fingerprint}."
        else:
            reason = f"Build {failed.counter} did not start; build {boot.build.counter} runs again."
    if as_json:
        _print_json(
            {
                **_describe_poll(done.poll),
                "installed": done.installed is not None and failed is None,
                "failed_build": None if failed is None else asdict(failed),
                "running": asdict(phone.running_build),
                "reason": reason,
            }
        )
    else:
        click.echo(reason)
    if failed is not None:
        raise SystemExit(1)


@cli.command(
    "show",
    epilog=("\b\nExample:\n  hening-device show --phone var/phone --json\n"),
)
@_PHONE
@_JSON
def show_command(folder: Path, as_json: bool) -> None:
    """Show what a phone is and runs; nothing is sent."""
    phone = Phone(folder)
    facts, build = phone.image.facts, phone.running_build
    if as_json:
        _print_json({**asdict(facts), "floor": phone.floor, "running": asdict(build)})
        return
    click.echo(f"model {facts.codename}, region {facts.region}, channel {facts.channel}")
    click.echo(f"asks {'https' if facts.tls else 'http'}://{host_header(phone.public)}")
    click.echo(f"runs build {build.counter}, {build.fingerprint}")
    click.echo(
        f"made {_tell_date(build.post_timestamp)}, security patches of {build.security_patch_level}"
    )
    click.echo(f"installs nothing up to build {phone.floor}")


def _tell_date(seconds: int) -> str:
    """Return epoch seconds as a date and time in UTC, as a number if no calendar goes so far."""
    try:
        return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _describe_poll(outcome: PollOutcome) -> dict[str, object]:
    return {
        "requests": list(outcome.requests),
        "changed": outcome.changed,
        "offer": None if outcome.offer is None else asdict(outcome.offer),
        "reason": outcome.reason,
        "warnings": list(outcome.warnings),
        "versions": dict(outcome.versions),
        "refused": outcome.failure is not None,
        "halted": outcome.halted,
    }


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, sort_keys=True))
