"""`cloud check`, `backup`, `restore`, `upkeep` and `migrate`: maintenance of a cloud."""

import asyncio
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.cloud_folder import (
    FOLDER,
    PATH,
    PEPPER,
    epoch,
    load_law,
    load_settings,
    open_cloud_bodies,
    open_peppers,
    run_in_cloud,
)
from server.cli.options import JSON
from server.cloud.settings import CloudFolder
from server.core.quantities import spell_size, spell_span
from server.storage.errors import StorageError

if TYPE_CHECKING:
    from server.cloud.copying.backup import Copied, Restored
    from server.cloud.copying.check import Report
    from server.storage.database import Sessions

# Commands import the modules that serve and store, because help does not need them.


@click.command(epilog="Example: hening-server cloud check --folder /var/lib/hening-cloud --read")
@FOLDER
@click.option("--read", is_flag=True, help="Read every body, and compare its hash.")
@JSON
def check(folder: Path, read: bool, as_json: bool) -> None:
    """Compare the database with the bodies that it names; change nothing.

    `cloud run` may run meanwhile. Exit status 1 means that something is wrong. Bodies that no row
    names are not a fault: a crash leaves them, and upkeep removes them.
    """
    # Imported here, because they import SQLAlchemy.
    from server.cloud.copying.check import check_cloud
    from server.cloud.storage import MIGRATIONS
    from server.storage.database import is_current

    settings = load_settings(folder)
    if not is_current(CloudFolder(folder).database(settings), MIGRATIONS):
        raise StorageError(
            "the database does not exist yet, or has an older version: run `hening-server cloud"
            " run` or `cloud migrate`."
        )

    async def work(database: "Sessions") -> "Report":
        return await check_cloud(database, open_cloud_bodies(folder, settings), read=read)

    report = run_in_cloud(folder, settings, work)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report)))
    else:
        _print_report(report)
    if report.faults:
        sys.exit(1)


@click.command(
    epilog="Example: hening-server cloud backup --folder /var/lib/hening-cloud --out /backup/cloud"
)
@FOLDER
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="The backup's folder: a new one, or an earlier backup to update.",
)
@JSON
def backup(folder: Path, out: Path, as_json: bool) -> None:
    """Copy database and bodies as of one moment; `cloud run` may run meanwhile.

    Bodies that the backup already has are not copied again. Bodies that are no longer needed are
    removed from it. An interrupted backup leaves the previous one intact. The pepper is not part
    of the backup: keep a copy of it elsewhere.
    """
    from server.cloud.copying.backup import BackupFolder, back_up

    settings = load_settings(folder)

    async def work(database: "Sessions") -> "Copied":
        bodies = open_cloud_bodies(folder, settings)
        target = BackupFolder(out, os.urandom)
        return await back_up(settings.region, database, bodies, target, epoch())

    result = run_in_cloud(folder, settings, work)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result)))
        return
    click.echo(
        f"{out} holds {result.rows} rows; {result.bodies} bodies are new, {result.removed} were"
        " removed."
    )
    click.echo(
        f"\nRestore: hening-server cloud restore --from {out} --folder NEW --former {folder}"
        "\nThe pepper is not in it: keep a copy away from this backup and from the cloud."
    )


@click.command(
    epilog="Example: hening-server cloud restore --from /backup/cloud --folder"
    " /var/lib/hening-cloud --former /var/lib/hening-cloud.lost"
)
@click.option("--from", "source", required=True, type=PATH, help="The backup.")
@click.option("--folder", required=True, type=PATH, help="A cloud's folder, without a database.")
@click.option(
    "--former",
    type=PATH,
    help="Folder of the cloud that this one replaces: its store names the accounts that were erased"
    " since the backup was made.",
)
@click.option("--no-former", is_flag=True, help="The store of the replaced cloud is lost, too.")
@click.option(
    "--keep-sessions",
    is_flag=True,
    help="Keep devices and programs logged in. Use it only for a backup made just now, because"
    " devices that were logged out after it was made could log in again.",
)
@JSON
def restore(
    source: Path,
    folder: Path,
    former: Path | None,
    no_former: bool,
    keep_sessions: bool,
    as_json: bool,
) -> None:
    """Make a cloud from a backup, and check that it is complete.

    If FOLDER has a cloud.toml, its settings name the database and the store, such as PostgreSQL
    and S3; the database must be empty. Devices have to log in again, and list everything once.
    Accounts that were erased after the backup are erased again before anything is served.
    """
    if (former is None) is not no_former:
        raise click.UsageError(
            "name the folder of the replaced cloud with --former, so that no erased account comes"
            " back; or give --no-former if its store is lost, too."
        )
    if former is not None:
        _check_former(CloudFolder(former))
    result = asyncio.run(_restore(source, CloudFolder(folder), former, keep_sessions=keep_sessions))
    age = epoch() - result.made_at
    if as_json:
        row = {
            "made_at": result.made_at,
            "rows": result.rows,
            "bodies": result.bodies,
            "erased": result.erased,
        }
        click.echo(json.dumps({**row, **dataclasses.asdict(result.report)}))
    else:
        click.echo(
            f"{result.rows} rows and {result.bodies} bodies of {spell_span(age)} ago were restored."
        )
        if result.erased:
            click.echo(
                f"{result.erased} of the accounts were erased later, and will be erased again."
            )
        _print_report(result.report)
        click.echo(
            f"\nNext: hening-server cloud run --folder {folder} --pepper PEPPER, with the pepper"
            "\nthat belongs to the backup."
        )
    if result.report.faults:
        sys.exit(1)


def _check_former(former: CloudFolder) -> None:
    if not (load_settings(former.root).blobs_url or former.bodies.is_dir()):
        raise StorageError(
            f"{former.bodies} does not exist, but it names the accounts erased since the backup:"
            " bring it back, or give --no-former if it is lost; nothing was changed."
        )


async def _restore(
    source: Path, folder: CloudFolder, former: Path | None, *, keep_sessions: bool
) -> "Restored":
    from server.cloud.copying.backup import BackupFolder
    from server.cloud.copying.backup import restore as restore_backup
    from server.cloud.settings import CloudSettings

    found = BackupFolder(source, os.urandom)
    if folder.settings.exists():
        settings = load_settings(folder.root)
    else:
        settings = CloudSettings(region=found.read().region)
    bodies = open_cloud_bodies(folder.root, settings)
    lost = None if former is None else open_cloud_bodies(former, load_settings(former))
    return await restore_backup(
        found,
        folder,
        settings,
        bodies,
        os.urandom,
        now=epoch(),
        former=lost,
        keep_sessions=keep_sessions,
    )


@click.command(
    epilog="Example: hening-server cloud upkeep --folder /var/lib/hening-cloud --pepper"
    " /etc/hening/cloud-pepper"
)
@FOLDER
@PEPPER
@JSON
def upkeep(folder: Path, pepper: Path | None, as_json: bool) -> None:
    """Run now the maintenance that `cloud run` does by itself within an hour.

    Erase accounts whose announced erasure is due. Remove expired sessions, old revisions and
    tombstones, chunks and bodies that nothing names, and files of unfinished uploads.
    """
    from server.cloud.upkeep.rounds import run_round

    settings = load_settings(folder)
    peppers = open_peppers(pepper, settings)
    bodies = open_cloud_bodies(folder, settings)

    async def work(database: "Sessions") -> dict[str, int] | None:
        return await run_round(await load_law(database, bodies, peppers, settings), settings)

    counts = run_in_cloud(folder, settings, work)
    if counts is None:
        raise StorageError("another node is doing this now: see its log, or try again in a minute.")
    if as_json:
        click.echo(json.dumps(counts))
        return
    for name, count in counts.items():
        click.echo(f"{count:>8}  {name}")


@click.command(epilog="Example: hening-server cloud migrate --folder /var/lib/hening-cloud")
@FOLDER
@click.option("--backup-made", is_flag=True, help="The PostgreSQL database was backed up.")
def migrate(folder: Path, backup_made: bool) -> None:
    """Migrate the database to this version.

    A copy of a SQLite file is kept beside it. A PostgreSQL database that is not empty is migrated
    only with --backup-made.
    """
    from server.cloud.storage import MIGRATIONS
    from server.storage.database import migrate as migrate_database

    place = CloudFolder(folder).database(load_settings(folder))
    changed = migrate_database(place, backup_made=backup_made, migrations=MIGRATIONS)
    click.echo("The database was migrated." if changed else "The database is up to date.")


def _print_report(report: "Report") -> None:
    click.echo(
        f"{report.accounts} accounts, {report.items} items and {report.bodies} bodies"
        f" ({spell_size(report.bytes)} in all); {report.spare} bodies that no row names."
    )
    for sentence in report.sentences:
        click.echo(f"wrong: {sentence}")
    if report.faults:
        click.echo(f"{report.faults} faults.")
    else:
        click.echo("Nothing is wrong.")
