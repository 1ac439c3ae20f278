"""`rebuild`: a database that was lost, or is older than what is public, is filled again."""

import asyncio
import json
from pathlib import Path

import click

from server.cli.options import CONFIG, JSON, STATE, now, open_state, read_settings
from server.cli.recorded import record_once
from server.opening import open_blobs
from server.publisher.errors import PublishError
from server.publisher.log_verifiers import load_log_verifiers
from server.publisher.rebuild import Rebuilt
from server.publisher.rebuild import rebuild as rebuild_database
from server.storage.database import open_database
from server.storage.errors import StorageError


@click.command(epilog="Example: hening-server rebuild --state var/server")
@STATE
@CONFIG
@JSON
def rebuild(state: Path, config: Path | None, as_json: bool) -> None:
    """Fill the database again from the log's tiles, the blobs and the results; stop `run` first.

    What the database has stays, and must agree. Every blob without a record is hashed. Accounts,
    tokens, the trail and what waits are in the database alone: restore them from its back-up.
    """
    settings = read_settings(state, config)
    folder = open_state(state, settings)
    if not folder.trusted_root.exists():
        raise StorageError(f"there is no server state in {state}: restore it from its back-up.")
    blobs = open_blobs(folder, settings, now)
    known = load_log_verifiers(folder)

    async def work() -> Rebuilt:
        async with open_database(folder.database) as sessions:
            at = int(now().timestamp())
            return await rebuild_database(folder, sessions, blobs, known, at)

    done = asyncio.run(work())
    added = {"leaves": done.leaves, "blobs": done.blobs, "submissions": done.submissions}
    record_once(folder, "server.rebuild", "database", added)
    if as_json:
        click.echo(json.dumps({**added, "damaged": list(done.damaged)}))
    else:
        click.echo(
            f"{done.leaves} leaves of the log, {done.blobs} blobs and {done.submissions}"
            " submissions were added."
        )
    if done.damaged:
        raise PublishError(
            f"{len(done.damaged)} blobs do not hash to their names, {done.damaged[0][:16]} first:"
            " restore or submit them again."
        )
