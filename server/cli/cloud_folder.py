"""Options and functions of the cloud's commands: folder, pepper, stores and time."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from server.cloud.pepper.file import Pepper, check_recipient, encode_escrow, load_pepper, seal_lines
from server.cloud.secrets import Secrets
from server.cloud.settings import CloudFolder, CloudSettings, load_cloud_settings

if TYPE_CHECKING:
    from server.cloud.law.rounds import Law
    from server.cloud.storage.bodies import Bodies
    from server.storage.database import Sessions

PATH = click.Path(path_type=Path)
CREDENTIAL = "cloud-pepper"
FOLDER = click.option(
    "--folder", required=True, type=PATH, help="The cloud's folder; it holds nothing else."
)
PEPPER = click.option(
    "--pepper", type=PATH, help="The pepper's file.  [default: this unit's credential cloud-pepper]"
)
T = TypeVar("T")


def run_in_cloud(
    folder: Path, settings: CloudSettings, work: Callable[["Sessions"], Awaitable[T]]
) -> T:
    """Call `work` with the open, migrated database of a cloud, and return its result."""
    from server.cloud.storage import MIGRATIONS
    from server.storage.database import open_database

    async def act() -> T:
        place = CloudFolder(folder).database(settings)
        async with open_database(place, migrations=MIGRATIONS) as database:
            return await work(database)

    return asyncio.run(act())


def open_cloud_bodies(folder: Path, settings: CloudSettings) -> "Bodies":
    """Return the store of a cloud's bodies."""
    from server.cloud.storage.bodies import open_bodies

    return open_bodies(CloudFolder(folder), settings, os.urandom, time.time)


async def load_law(
    database: "Sessions", bodies: "Bodies", peppers: tuple[Secrets, ...], settings: CloudSettings
) -> "Law":
    """Return what erases accounts, with those of the secrets `peppers` that open the database."""
    # Imported here, because they import SQLAlchemy.
    from server.cloud.law.policies import Policies
    from server.cloud.law.rounds import Law
    from server.cloud.pepper.rotation import choose_secrets

    secrets = await choose_secrets(database, peppers)
    policies = Policies(database, settings.policy_key)
    return Law(database, bodies, secrets, policies, epoch, os.urandom)


def load_settings(folder: Path) -> CloudSettings:
    """Return the settings of a cloud, without options."""
    return load_cloud_settings(CloudFolder(folder), os.environ)


def find_pepper(given: Path | None) -> Path:
    """Return the given file of the pepper, or the unit's credential; raises UsageError."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if given is None and credentials is None:
        raise click.UsageError(
            f"give the pepper's file with --pepper, or as the unit's credential {CREDENTIAL}."
        )
    return Path(credentials or "") / CREDENTIAL if given is None else given


def open_peppers(pepper: Path | None, settings: CloudSettings) -> tuple[Secrets, ...]:
    """Return the secrets of a cloud for each pepper that may have sealed its database."""
    read = load_pepper(find_pepper(pepper), os.geteuid())
    return read.candidates(settings.region, os.urandom)


def print_escrow(pepper: Pepper, recipient: str | None) -> None:
    """Print the lines that restore a pepper, sealed to an age key if one is given."""
    lines = encode_escrow(pepper)
    if recipient is not None:
        click.echo(
            "Keep this file away from the cloud and the pepper's file; your age key opens it:\n"
        )
        click.echo(seal_lines(lines, recipient), nl=False)
        return
    click.echo("Keep these lines on paper, away from the cloud and the pepper's file:\n")
    for line in lines:
        click.echo(f"  {line}")


def _check_recipient(
    _context: click.Context, _option: click.Parameter, given: str | None
) -> str | None:
    if given is not None:
        check_recipient(given)
    return given


ESCROW_TO = click.option(
    "--escrow-to",
    "recipient",
    metavar="AGE-KEY",
    callback=_check_recipient,
    help="Print the pepper sealed to this public key of age, and not in clear.",
)


def epoch() -> int:
    """Return the time in epoch seconds."""
    return int(time.time())
