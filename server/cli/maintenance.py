"""Commands for the maintenance of a state folder: `backup`, `rebuild`, `gc`, and `move` to S3."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.clock import witnessed_clock
from server.cli.database import epoch, operator, record_once, recorded, run_in_database
from server.cli.export import progress_bar
from server.cli.options import (
    CONFIG,
    JSON,
    STATE,
    check_has_database,
    now,
    open_state,
    read_settings,
    require_state,
)
from server.core.quantities import spell_size
from server.publisher.errors import PublishError
from server.storage.durable import write_durable
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

if TYPE_CHECKING:
    from server.publisher.maintenance.garbage import Garbage
    from server.publisher.maintenance.rebuild import Rebuilt
    from server.release.restored import Ended
    from server.storage.database import Sessions


@click.command(epilog="Example: hening-server backup --state var/server --out /backup/hening")
@STATE
@CONFIG
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder of the copy: a new one, or that of an earlier backup.",
)
@JSON
def backup(state: Path, config: Path | None, out: Path, as_json: bool) -> None:
    """Copy database, metadata, log, results and packages, all of one moment, while `run` runs.

    It does not copy private keys, which need a separate encrypted copy, bundles that wait in
    STATE/incoming, a PostgreSQL database, which is dumped before, or blobs in S3. If other users
    can read an older copy, the command to prevent it is printed.
    """
    from server.publisher.maintenance.backup import back_up
    from server.publisher.maintenance.checks.files import describe_wide
    from server.stores import open_blobs

    settings = read_settings(state, config)
    folder = require_state(state, settings)
    blobs = None if settings.blobs_url else open_blobs(folder, settings, now)
    result = run_in_database(folder, lambda sessions: back_up(folder, sessions, blobs, out))
    for sentence in describe_wide(StateFolder(out)):
        click.echo(f"hening-server: {sentence}", err=True)
    if as_json:
        row = {"files": result.files, "blobs": result.blobs, "database": result.database}
        click.echo(json.dumps(row))
        return
    click.echo(f"{result.files} new files and {result.blobs} new blobs are in {out}.")
    if not result.database:
        click.echo("The PostgreSQL database is not: dump it before, and rebuild after a restore.")


@click.command(epilog="Example: hening-server rebuild --state var/server")
@STATE
@CONFIG
@click.option("--keep-tokens", is_flag=True, help="No token was revoked since the backup.")
@JSON
def rebuild(state: Path, config: Path | None, keep_tokens: bool, as_json: bool) -> None:
    """Rebuild the database from the log's tiles, the blobs and the results; stop `run` first.

    Existing rows stay, and must agree. All blobs without a record are hashed. Accounts, tokens, the
    audit log and waiting changes are only in the database: restore them from its backup.

    A backup does not have what was carried out, cancelled or revoked later. So all open changes are
    cancelled. All tokens and sessions end, too, unless you give --keep-tokens.
    """
    from server.publisher.keys.holder import load_log_verifiers
    from server.publisher.maintenance.rebuild import rebuild as rebuild_database
    from server.release.restored import invalidate_restored
    from server.stores import open_blobs

    settings = read_settings(state, config)
    check_has_database(state, settings)
    folder = open_state(state, settings)
    if not folder.trusted_root.exists():
        raise StorageError(f"there is no server state in {state}: restore it from its backup.")
    blobs = open_blobs(folder, settings, now)
    known = load_log_verifiers(folder)
    principal = operator()

    async def work(sessions: Sessions) -> tuple[Rebuilt, Ended]:
        at = epoch()
        result = await rebuild_database(folder, sessions, blobs, known, at)
        return result, await invalidate_restored(sessions, principal, at, keep_tokens=keep_tokens)

    result, ended = run_in_database(folder, work)
    added = {"leaves": result.leaves, "blobs": result.blobs, "submissions": result.submissions}
    record_once(folder, "server.rebuild", "database", added)
    if as_json:
        row = {**added, "cancelled": ended.changes, "revoked": ended.tokens}
        click.echo(json.dumps({**row, "sessions": ended.sessions, "damaged": list(result.damaged)}))
    else:
        click.echo(
            f"{result.leaves} leaves of the log, {result.blobs} blobs and {result.submissions}"
            " submissions were added."
        )
        if any((ended.changes, ended.tokens, ended.sessions)):
            click.echo(
                f"{ended.changes} changes were cancelled, {ended.tokens} tokens revoked and"
                f" {ended.sessions} sessions ended: their rows may be outdated."
            )
    if result.damaged:
        raise PublishError(
            f"{len(result.damaged)} blobs do not match their hashes, the first is"
            f" {result.damaged[0][:16]}: restore or submit them again."
        )


_GRACE = re.compile(r"([0-9]{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def _decode_grace(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    match = _GRACE.fullmatch(value)
    if match is None:
        raise click.BadParameter("give a number with d, h or m, such as 7d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.command(epilog="Example: hening-server gc --state var/server --grace 14d --dry-run")
@STATE
@click.option(
    "--grace",
    default="7d",
    show_default=True,
    callback=_decode_grace,
    help="The minimum age of a blob, such as 7d, 12h or 30m.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
@CONFIG
@JSON
def gc(state: Path, grace: timedelta, dry_run: bool, config: Path | None, as_json: bool) -> None:
    """Remove blobs that no served metadata, waiting bundle or upload names."""
    import asyncio

    from server.bootstrap import open_publisher
    from server.publisher.read_back import DiskReadBack
    from server.stores import open_blobs

    settings = read_settings(state, config)
    folder = require_state(state, settings)
    alarms: list[str] = []
    clock = witnessed_clock(folder)
    # A dry run changes nothing, so there is nothing to record.
    detail = {"grace_seconds": int(grace.total_seconds())}
    recording = recorded(folder, "server.gc", () if dry_run else ("blobs",), detail)

    async def collect() -> Garbage:
        blobs = open_blobs(folder, settings, now)
        read_back = DiskReadBack(folder.public)
        async with (
            recording as outcome,
            open_publisher(folder, clock, read_back, alarms.append, blobs) as publisher,
        ):
            found = await publisher.collect_garbage(grace, dry_run=dry_run)
            outcome.update({"removed": len(found.removed), "octets": found.size})
            return found

    garbage = asyncio.run(collect())
    if as_json:
        removed = [{"length": blob.length, "sha256": blob.sha256} for blob in garbage.removed]
        click.echo(
            json.dumps(
                {
                    "dry_run": dry_run,
                    "named": garbage.named,
                    "octets": garbage.size,
                    "removed": removed,
                    "young": garbage.young,
                }
            )
        )
        return
    for blob in garbage.removed:
        click.echo(f"{blob.sha256}  {blob.length}")
    verb = "would be removed" if dry_run else "removed"
    click.echo(
        f"{len(garbage.removed)} blobs {verb} ({spell_size(garbage.size)});"
        f" {garbage.named} are named, {garbage.young} are too young."
    )


@click.command(
    epilog="Example: hening-server move --database postgresql://hening@db.example/hening"
    " --tree s3://rom/shared --blobs s3://rom/blobs"
)
@STATE
@click.option("--database", required=True, help="The address of an empty PostgreSQL database.")
@click.option("--tree", required=True, help="s3://BUCKET/PREFIX of the tree that machines share.")
@click.option("--blobs", required=True, help="s3://BUCKET/PREFIX of packages and content.")
@JSON
def move(state: Path, database: str, tree: str, blobs: str, as_json: bool) -> None:
    """Move a server from one folder to PostgreSQL and S3. Phones are served meanwhile.

    The settings give the endpoint, region and key of S3. All files are compared by their hashes,
    and a TUF client reads the moved tree. Then the folder's database is closed, and its
    settings.toml names the new places. A server that still runs answers phones but publishes
    nothing: start it again. If a run was interrupted, the next run continues it.
    """
    from server.publisher.maintenance.move import check_moved, is_moved, move_files, move_rows
    from server.storage.layout import PostgresAddress
    from server.storage.objects import Objects
    from server.stores import open_blobs, open_tree_place

    folder = require_state(state)
    if folder.database != folder.sqlite:
        raise StorageError(
            f"the database of {state} is not in it: only a server in one folder can be moved."
        )
    chosen = {"database_url": database, "tree_url": tree, "blobs_url": blobs}
    settings = read_settings(state, None, **chosen)
    place = open_tree_place(settings)
    if place is None:
        raise click.UsageError("--tree is empty.")
    address = PostgresAddress(database)

    async def work(sessions: Sessions) -> int:
        with progress_bar() as progress:
            return await move_files(
                folder,
                sessions,
                open_blobs(folder, settings, now),
                Objects(place),
                lambda check: move_rows(folder.sqlite, address, check),
                progress,
            )

    # The database is closed already if an earlier run was interrupted at its end.
    is_closed = is_moved(folder.sqlite)
    if is_closed:
        check_moved(folder, Objects(place))
    rows = move_rows(folder.sqlite, address) if is_closed else run_in_database(folder, work)
    moved = StateFolder(state, database, folder.keys_socket, place)
    record_once(moved, "server.move", "database", {"rows": rows})
    _write_settings(folder.settings, chosen)
    if as_json:
        click.echo(json.dumps({"rows": rows}))
        return
    click.echo(f"{rows} rows, the blobs and all public files are moved, compared and verified.")
    click.echo(f"{folder.settings} names their places now: start the server again.")


def _write_settings(file: Path, chosen: Mapping[str, str]) -> None:
    """Write the new places into the state's settings, in front of its tables."""
    former = file.read_text(encoding="utf-8") if file.exists() else ""
    unchanged = [line for line in former.splitlines(keepends=True) if not _names(line, chosen)]
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in chosen.items()]
    write_durable(file, "".join((*lines, *unchanged)).encode())


def _names(line: str, chosen: Mapping[str, str]) -> bool:
    return line.partition("=")[0].strip() in chosen
