"""`cloud init` and `cloud run`: the owners' encrypted backup, a separate service."""

import asyncio
import os
from contextlib import nullcontext
from pathlib import Path

import click

from server.cli.cloud_accounts import account, code_group
from server.cli.cloud_care import backup, check, migrate, restore, upkeep
from server.cli.cloud_folder import (
    ESCROW_TO,
    FOLDER,
    PATH,
    PEPPER,
    epoch,
    find_pepper,
    open_cloud_bodies,
    print_escrow,
)
from server.cli.cloud_pepper import pepper as pepper_commands
from server.cli.cloud_policy import GivenPolicy, breach_group, policy_group, policy_options
from server.cloud.pepper.file import Pepper, load_pepper
from server.cloud.settings import CloudFolder, CloudSettings, load_cloud_settings, make_cloud
from server.observability import configure_logging, watch_loop
from server.processes.sockets import raise_descriptor_limit

SIGN_UP = click.option(
    "--sign-up",
    type=click.Choice(["closed", "code", "open"]),
    help="Who may make an account.  [default: code]",
)


@click.group()
def cloud() -> None:
    """Serve the owners' encrypted backup.

    This is a separate service. It runs only after `cloud init`; no other command starts it.
    """


for _group in (account, pepper_commands, policy_group, code_group, breach_group):
    cloud.add_command(_group)


@cloud.command(
    epilog="Example: hening-server cloud init --folder /var/lib/hening-cloud --pepper"
    " /etc/hening/cloud-pepper --region id"
)
@FOLDER
@click.option(
    "--pepper",
    required=True,
    type=PATH,
    help="The file to make, outside the folder and its backups.",
)
@click.option(
    "--region",
    required=True,
    help="The region whose law applies, such as `id`. It cannot be changed later.",
)
@policy_options
@SIGN_UP
@ESCROW_TO
def init(
    folder: Path,
    pepper: Path,
    region: str,
    given: GivenPolicy,
    sign_up: str | None,
    recipient: str | None,
) -> None:
    """Make the cloud of one region, and its pepper.

    Devices cannot upload until a policy is in force: give it here, or with `cloud policy
    accept`.

    The pepper seals names and keys in the database. It is printed once, in clear, or sealed to your
    age key with --escrow-to. Keep that copy: without the pepper no account can be opened.
    """
    given.check(region)
    chosen = given.settings | ({} if sign_up is None else {"sign_up": sign_up})
    created = make_cloud(CloudFolder(folder), pepper, region, os.urandom, **chosen)
    if given.note is not None:
        given.accept(folder, pepper)
    click.echo(f"{folder} is the cloud of {region}, and {pepper} is its pepper.")
    print_escrow(created, recipient)
    click.echo(f"\nNext: hening-server cloud run --folder {folder} --pepper {pepper}")


@cloud.command(
    epilog="Example: hening-server cloud run --folder /var/lib/hening-cloud --pepper"
    " /etc/hening/cloud-pepper"
)
@FOLDER
@PEPPER
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Its port; 0 is any free port.")
@SIGN_UP
def run(folder: Path, pepper: Path | None, **options: str | int | None) -> None:
    """Serve owners' devices until SIGTERM."""
    found = CloudFolder(folder)
    settings = load_cloud_settings(found, os.environ, **options)
    read = load_pepper(find_pepper(pepper), os.geteuid())
    configure_logging()
    raise_descriptor_limit()
    asyncio.run(_serve(found, read, settings))


async def _serve(folder: CloudFolder, pepper: Pepper, settings: CloudSettings) -> None:
    # Imported here, because they import aiohttp and SQLAlchemy.
    from server.cloud.app import serving
    from server.cloud.metrics import CloudMetrics
    from server.health import serving_health

    stop = watch_loop()
    bodies = open_cloud_bodies(folder.root, settings)
    place = folder.database(settings)
    peppers = pepper.candidates(settings.region, os.urandom)
    metrics = CloudMetrics()
    health = serving_health(settings.metrics_port, metrics.registry, metrics.reasons)
    async with serving(
        place, bodies, peppers, settings, epoch, os.urandom, metrics=metrics
    ) as port:
        with health if settings.metrics_port else nullcontext():
            click.echo(f"http{'s' if settings.tls_cert else ''}://{settings.host}:{port}")
            await stop.wait()


for command in (check, backup, restore, upkeep, migrate):
    cloud.add_command(command)
