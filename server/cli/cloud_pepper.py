"""`cloud pepper`: rotates the pepper, or restores it from paper."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from server.cli.cloud_folder import ESCROW_TO, FOLDER, PEPPER, find_pepper, print_escrow
from server.cloud.pepper.file import begin_rotation, decode_escrow, load_pepper, write_pepper
from server.cloud.secrets import Secrets
from server.cloud.settings import CloudFolder, load_cloud_settings
from server.storage.errors import StorageError
from server.storage.layout import Place


@click.group()
def pepper() -> None:
    """Rotate the pepper, or restore it from paper."""


@pepper.command(
    epilog="Example: hening-server cloud pepper rotate --folder /var/lib/hening-cloud --pepper"
    " /etc/hening/cloud-pepper"
)
@FOLDER
@PEPPER
@ESCROW_TO
def rotate(folder: Path, pepper: Path | None, recipient: str | None) -> None:
    """Replace the pepper, and seal everything under the new one.

    Stop the service on every node first: a running node refuses logins until it is restarted. An
    interrupted rotation continues when this command is run again.
    """
    path, (region, place) = find_pepper(pepper), _find_database(folder)
    read = load_pepper(path, os.geteuid())
    asyncio.run(_check(place, read.candidates(region, os.urandom)))
    rotation = begin_rotation(path, read, os.urandom)
    click.echo("The new pepper is in force when this command ends.")
    print_escrow(rotation.rotated(), recipient)
    former, following = rotation.candidates(region, os.urandom)
    count = asyncio.run(_seal_again(place, former, following))
    write_pepper(path, rotation.rotated())
    click.echo(f"\n{count} rows are sealed under the new pepper, which is in {path}.")
    click.echo(
        "Next: destroy all copies of the former pepper, and start the service on every node."
    )


@pepper.command(
    epilog="Example: hening-server cloud pepper restore --folder /var/lib/hening-cloud --pepper"
    " /etc/hening/cloud-pepper < lines"
)
@FOLDER
@PEPPER
def restore(folder: Path, pepper: Path | None) -> None:
    """Make the pepper's file again from its lines on paper, typed or piped in.

    An empty line, or the end of the input, ends the lines. Decrypt lines that were sealed to an age
    key with `age --decrypt --identity KEY FILE`. The pepper must be the one of the database.
    """
    path, (region, place) = find_pepper(pepper), _find_database(folder)
    if os.path.lexists(path):
        raise StorageError(f"{path} exists already; nothing was changed.")
    if sys.stdin.isatty():
        click.echo("Type the lines as printed, and an empty line after them:", err=True)
    restored = decode_escrow(iter(lambda: sys.stdin.readline().strip(), ""))
    asyncio.run(_check(place, restored.candidates(region, os.urandom)))
    write_pepper(path, restored)
    click.echo(f"{path} holds the pepper again.")


def _find_database(folder: Path) -> tuple[str, Place]:
    """Return the region of a cloud, and where its database is."""
    found = CloudFolder(folder)
    settings = load_cloud_settings(found, os.environ)
    return settings.region, found.database(settings)


async def _seal_again(place: Place, former: Secrets, following: Secrets) -> int:
    # Imported here, because they import SQLAlchemy.
    from server.cloud.pepper.rotation import seal_again
    from server.cloud.storage import MIGRATIONS
    from server.storage.database import open_database

    async with open_database(place, migrations=MIGRATIONS) as database:
        return await seal_again(database, former, following)


async def _check(place: Place, candidates: Sequence[Secrets]) -> None:
    from server.cloud.pepper.rotation import choose_secrets
    from server.cloud.storage import MIGRATIONS
    from server.storage.database import open_database

    async with open_database(place, migrations=MIGRATIONS) as database:
        await choose_secrets(database, candidates)
