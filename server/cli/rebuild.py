"""`rebuild`: a database that was lost, or is older than what is public, is filled again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.operator import operator
from server.cli.options import CONFIG, JSON, STATE, now, open_state, read_settings
from server.cli.recorded import record_once
from server.publisher.errors import PublishError
from server.storage.errors import StorageError

if TYPE_CHECKING:
    from server.publisher.rebuild import Rebuilt
    from server.release.restored import Ended


@click.command(epilog="Example: hening-server rebuild --state var/server")
@STATE
@CONFIG
@click.option("--keep-tokens", is_flag=True, help="No token was revoked since the back-up.")
@JSON
def rebuild(state: Path, config: Path | None, keep_tokens: bool, as_json: bool) -> None:
    """Fill the database again from the log's tiles, the blobs and the results; stop `run` first.

    What the database has stays, and must agree. Every blob without a record is hashed. Accounts,
    tokens, the trail and what waits are in the database alone: restore them from its back-up.

    A back-up does not know what was carried out, cancelled or revoked since: every order that is
    open is cancelled, and every token and session ends, unless with --keep-tokens.
    """
    import asyncio

    from server.opening import open_blobs
    from server.publisher.key_holder import load_log_verifiers
    from server.publisher.rebuild import rebuild as rebuild_database
    from server.release.restored import end_what_may_be_old
    from server.storage.database import open_database

    settings = read_settings(state, config)
    folder = open_state(state, settings)
    if not folder.trusted_root.exists():
        raise StorageError(f"there is no server state in {state}: restore it from its back-up.")
    blobs = open_blobs(folder, settings, now)
    known = load_log_verifiers(folder)

    principal = operator()

    async def work() -> tuple[Rebuilt, Ended]:
        async with open_database(folder.database) as sessions:
            at = int(now().timestamp())
            done = await rebuild_database(folder, sessions, blobs, known, at)
            ended = await end_what_may_be_old(sessions, principal, at, keep_tokens=keep_tokens)
            return done, ended

    done, ended = asyncio.run(work())
    added = {"leaves": done.leaves, "blobs": done.blobs, "submissions": done.submissions}
    record_once(folder, "server.rebuild", "database", added)
    if as_json:
        row = {**added, "cancelled": ended.orders, "revoked": ended.tokens}
        click.echo(json.dumps({**row, "sessions": ended.sessions, "damaged": list(done.damaged)}))
    else:
        click.echo(
            f"{done.leaves} leaves of the log, {done.blobs} blobs and {done.submissions}"
            " submissions were added."
        )
        if any((ended.orders, ended.tokens, ended.sessions)):
            click.echo(
                f"{ended.orders} orders were cancelled, {ended.tokens} tokens revoked and"
                f" {ended.sessions} sessions ended, which may be older than what became of them."
            )
    if done.damaged:
        raise PublishError(
            f"{len(done.damaged)} blobs do not hash to their names, {done.damaged[0][:16]} first:"
            " restore or submit them again."
        )
