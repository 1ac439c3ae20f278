"""What commands of the cloud share: its folder, its pepper, its database and the clock."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from server.cloud.folder import CloudFolder, load_cloud_settings, load_secrets
from server.cloud.secrets import Secrets
from server.cloud.settings import CloudSettings

if TYPE_CHECKING:
    from server.storage.database import Sessions

PATH = click.Path(path_type=Path)
FOLDER = click.option(
    "--folder", required=True, type=PATH, help="The cloud's own folder, beside no other state."
)
PEPPER = click.option("--pepper", required=True, type=PATH, help="The pepper's file.")
T = TypeVar("T")


def run_in_cloud(
    folder: Path, settings: CloudSettings, work: Callable[["Sessions"], Awaitable[T]]
) -> T:
    """Return what `work` returns of the open, migrated database of a cloud."""
    from server.cloud.storage import MIGRATIONS  # noqa: PLC0415 - the database's library
    from server.storage.database import open_database  # noqa: PLC0415

    async def act() -> T:
        place = CloudFolder(folder).database(settings)
        async with open_database(place, migrations=MIGRATIONS) as database:
            return await work(database)

    return asyncio.run(act())


def load_settings(folder: Path) -> CloudSettings:
    """Return the settings of a cloud, without options."""
    return load_cloud_settings(CloudFolder(folder), os.environ)


def open_secrets(pepper: Path, settings: CloudSettings) -> Secrets:
    """Return what seals and signs in a cloud."""
    return load_secrets(pepper, settings.region, os.geteuid(), os.urandom)


def epoch() -> int:
    """Return the time in epoch seconds."""
    return int(time.time())
