"""`backup`: a copy of the state folder beside a server that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.options import CONFIG, JSON, STATE, now, read_settings, require_state
from server.storage.layout import StateFolder

if TYPE_CHECKING:
    from server.publisher.backup import Copied


@click.command(epilog="Example: hening-server backup --state var/server --out /backup/hening")
@STATE
@CONFIG
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The copy, new or to be renewed."
)
@JSON
def backup(state: Path, config: Path | None, out: Path, as_json: bool) -> None:
    """Copy database, metadata, log, results and packages, all of one moment, beside `run`.

    Not in it: private keys, which want an encrypted copy of their own, what waits in
    STATE/incoming, a PostgreSQL database, which is dumped before, and blobs that lie in S3. What
    others may read of an older copy is named with the command that narrows it.
    """
    import asyncio

    from server.opening import open_blobs
    from server.publisher.backup import back_up
    from server.publisher.checks.files import describe_wide
    from server.storage.database import open_database

    settings = read_settings(state, config)
    folder = require_state(state, settings)
    blobs = None if settings.blobs_url else open_blobs(folder, settings, now)

    async def work() -> Copied:
        async with open_database(folder.database) as sessions:
            return await back_up(folder, sessions, blobs, out)

    done = asyncio.run(work())
    for sentence in describe_wide(StateFolder(out)):
        click.echo(f"hening-server: {sentence}", err=True)
    if as_json:
        row = {"files": done.files, "blobs": done.blobs, "database": done.database}
        click.echo(json.dumps(row))
        return
    click.echo(f"{done.files} new files and {done.blobs} new blobs are in {out}.")
    if not done.database:
        click.echo("The PostgreSQL database is not: dump it before, and after a restore rebuild.")
