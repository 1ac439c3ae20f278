"""`move`: a server in one folder goes on with PostgreSQL and S3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from server.cli.database import record_once
from server.cli.export import progress_bar
from server.cli.options import JSON, STATE, now, read_settings, require_state
from server.storage.durable import write_durable
from server.storage.errors import StorageError
from server.storage.layout import StateFolder


@click.command(
    epilog="Example: hening-server move --database postgresql://hening@db.example/hening"
    " --tree s3://rom/shared --blobs s3://rom/blobs"
)
@STATE
@click.option("--database", required=True, help="The address of an empty PostgreSQL database.")
@click.option("--tree", required=True, help="s3://BUCKET/PREFIX of what machines share.")
@click.option("--blobs", required=True, help="s3://BUCKET/PREFIX of packages and content.")
@JSON
def move(state: Path, database: str, tree: str, blobs: str, as_json: bool) -> None:
    """Move a server that is all in one folder to PostgreSQL and S3. Phones are served meanwhile.

    Endpoint, region and key of S3 are the settings'. Everything is compared by its hash, and a TUF
    client reads what was moved. Then the folder's database is closed, and its settings.toml names
    the new places: a server that still runs answers phones and publishes nothing. Start it again. A
    second run goes on where a first one was cut off.
    """
    import asyncio

    from server.publisher.maintenance.move import check_moved, move_files
    from server.storage.database import open_database
    from server.storage.moved_rows import is_moved, move_rows
    from server.storage.objects import Objects
    from server.storage.place import PostgresAddress
    from server.stores import open_blobs, open_tree_place

    folder = require_state(state)
    if folder.database != folder.sqlite:
        raise StorageError(f"the database of {state} is not in it: only an embedded server moves.")
    chosen = {"database_url": database, "tree_url": tree, "blobs_url": blobs}
    settings = read_settings(state, None, **chosen)
    place = open_tree_place(settings)
    if place is None:
        raise click.UsageError("--tree is empty.")
    address = PostgresAddress(database)

    async def work() -> int:
        with progress_bar() as progress:
            async with open_database(folder.sqlite) as sessions:
                return await move_files(
                    folder,
                    sessions,
                    open_blobs(folder, settings, now),
                    Objects(place),
                    lambda check: move_rows(folder.sqlite, address, check),
                    progress,
                )

    # Closed already: a run was cut off at its end.
    is_closed = is_moved(folder.sqlite)
    if is_closed:
        check_moved(folder, Objects(place))
    rows = move_rows(folder.sqlite, address) if is_closed else asyncio.run(work())
    moved = StateFolder(state, database, folder.keys_socket, place)
    record_once(moved, "server.move", "database", {"rows": rows})
    _write_settings(folder.settings, chosen)
    if as_json:
        click.echo(json.dumps({"rows": rows}))
        return
    click.echo(f"{rows} rows, the blobs and everything public are moved, compared and verified.")
    click.echo(f"{folder.settings} names their places now: start the server again.")


def _write_settings(file: Path, chosen: Mapping[str, str]) -> None:
    """Name the new places in the state's settings, before its tables."""
    former = file.read_text(encoding="utf-8") if file.exists() else ""
    kept = [line for line in former.splitlines(keepends=True) if not _names(line, chosen)]
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in chosen.items()]
    write_durable(file, "".join((*lines, *kept)).encode())


def _names(line: str, chosen: Mapping[str, str]) -> bool:
    return line.partition("=")[0].strip() in chosen
